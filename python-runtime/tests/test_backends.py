"""The optional back ends vLLM and LMDeploy, which are not installed here and have never been run.

What can be shown without them: their absence is said with the cure; what we give them has names that they know (read
from their own wheels where FURO_WHEELS names a folder with them, from lists taken there else); and answers of the
documented shape become ours. The stand-ins take the listed names and no others.
"""

from __future__ import annotations

import ast
import os
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from stand_ins import KNOWN, Output, StandIns
from test_generate import Going, Records, record

from furo_infer._allocation import Allocation
from furo_infer._errors import DeviceError, ModelError, UsageError
from furo_infer._job import Batch, Job, Layout
from furo_infer.engines import create_engine
from furo_infer.engines import lmdeploy as ours_lmdeploy
from furo_infer.engines import vllm as ours_vllm
from furo_infer.engines._foreign import ForeignEngine, seed_of
from furo_infer.engines._tokens import Tokens
from furo_infer.engines.base import Request


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> StandIns:
    stands = StandIns()
    monkeypatch.setitem(sys.modules, "vllm", stands.vllm())
    monkeypatch.setitem(sys.modules, "lmdeploy", stands.lmdeploy())
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    return stands


def engine_for(name: str, model: Path, allocation: Allocation | None = None, **changes: Any) -> ForeignEngine:
    job = Job(str(model), Path("i"), Path("o"), backend=name, **changes)
    engine = create_engine(job, allocation or Allocation(), None, ())  # type: ignore[arg-type]
    assert isinstance(engine, ForeignEngine)
    engine.open()
    return engine


def run(engine: ForeignEngine, rows: Sequence[Any]) -> Records:
    work = Records([engine.prepare(row) for row in rows])
    engine.run(work, Going())
    return work


BOTH = pytest.mark.parametrize("name", ["vllm", "lmdeploy"])


@BOTH
def test_a_back_end_that_is_not_installed_is_said_with_the_cure(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as if absent, also where it is installed
    with pytest.raises(ModelError, match=f"pip install {name}") as raised:
        engine_for(name, tiny_model).load()
    assert raised.value.reason == "backendAbsent"
    assert raised.value.exit_code == 3


@BOTH
def test_opening_and_preparing_need_no_engine(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert engine_for(name, tiny_model).prepare(record("a", "fox")).tokens > 3


@BOTH
def test_a_form_that_is_not_passed_on_is_refused_and_not_forgotten(tiny_model: Path, name: str) -> None:
    with pytest.raises(UsageError, match="Leave response_format out"):
        engine_for(name, tiny_model, response_format={"type": "json_object"})
    engine_for(name, tiny_model, response_format={"type": "text"})


@BOTH
@pytest.mark.usefixtures("stand_ins")
def test_no_gpu_is_a_device_error(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(DeviceError, match=f"back end {name} needs a GPU"):
        engine_for(name, tiny_model).load()


@BOTH
def test_all_gpus_are_taken_by_one_process_or_one_by_each(
    tiny_model: Path, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    key = {"vllm": "tensor_parallel_size", "lmdeploy": "tp"}[name]
    assert engine_for(name, tiny_model).load().layout == "1x1x4"
    assert engine_for(name, tiny_model, layout=Layout(tensor_parallel=2)).load().layout == "1x1x2"
    four = Allocation(processes=4, local_processes=4)
    with pytest.raises(UsageError, match="Start one process for each node"):
        engine_for(name, tiny_model, four).load()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    engine_for(name, tiny_model, four).load()
    assert [loaded[key] for loaded in stand_ins.loaded] == [4, 2, 1]
    with pytest.raises(UsageError, match="more GPUs than the 1"):
        engine_for(name, tiny_model, layout=Layout(tensor_parallel=2)).load()


@pytest.mark.usefixtures("stand_ins")
def test_vllm_takes_stages_and_lmdeploy_refuses_them(tiny_model: Path) -> None:
    assert engine_for("vllm", tiny_model, layout=Layout(stages=2)).load().layout == "1x2x2"
    with pytest.raises(UsageError, match="no pipeline stages"):
        engine_for("lmdeploy", tiny_model, layout=Layout(stages=2)).load()
    with pytest.raises(UsageError, match="computes in float16 or bfloat16"):
        engine_for("lmdeploy", tiny_model, dtype="float32").load()


WISHES: dict[str, Any] = {"max_new_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 7, "seed": 3, "stop": ("x",)}


def test_every_wish_reaches_vllm(tiny_model: Path, stand_ins: StandIns) -> None:
    engine = engine_for("vllm", tiny_model)
    engine.load()
    greedy = {"temperature": 0.0, "top_p": 0.0}
    run(engine, [record("a", "fox", **WISHES), record("b", "fox", **greedy)])
    sampled, plain = stand_ins.asked
    seed = sampled.pop("seed")
    assert sampled == {
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "stop": ["x"],
        "stop_token_ids": [1],
        "skip_special_tokens": True,
    }
    assert seed == seed_of(engine.prepare(record("a", "river", **WISHES)))
    assert (plain["temperature"], plain["top_k"], plain["seed"], plain["stop"]) == (0.0, -1, None, [])
    assert plain["top_p"] > 0, "vLLM refuses 0"


def test_every_wish_reaches_lmdeploy(tiny_model: Path, stand_ins: StandIns) -> None:
    engine = engine_for("lmdeploy", tiny_model)
    stand_ins.tokens = engine._opened
    engine.load()
    run(engine, [record("a", "fox", **WISHES), record("b", "fox", temperature=1.0, top_p=0.0), record("c", "fox")])
    sampled, single, greedy = stand_ins.asked
    assert sampled.pop("random_seed") == seed_of(engine.prepare(record("a", "river", **WISHES)))
    assert sampled == {
        "max_new_tokens": 9,
        "do_sample": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "stop_token_ids": [1],
        "skip_special_tokens": True,
    }
    assert single["top_k"] == 1
    assert greedy["do_sample"] is False


def test_seeds_differ_by_record_and_run() -> None:
    rows = [record(name, "fox", seed=seed) for name in "ab" for seed in (1, 2)]
    seeds = {seed_of(Request(row, "fox", (1,))) for row in rows}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)


@BOTH
def test_answers_become_ours(tiny_model: Path, stand_ins: StandIns, name: str) -> None:
    engine = engine_for(name, tiny_model)
    stand_ins.tokens = engine._opened
    engine.load()
    rows = [record(letter, "fox", stop=("END",)) for letter in "abcd"]
    tokens = engine.prepare(rows[0]).tokens
    stand_ins.says = {
        "0": Output("whole", "stop", input_token_len=tokens),
        "1": Output("cut", "length", input_token_len=tokens),
        "2": Output("before END after", "length", input_token_len=tokens),
        "3": Output("", "abort", input_token_len=tokens),
    }
    told = run(engine, rows).told
    assert [(told[letter].text, told[letter].finish_reason) for letter in "abc"] == [
        ("whole", "stop"),
        ("cut", "length"),
        ("before ", "stop"),
    ]
    assert (told["a"].prompt_tokens, told["a"].completion_tokens) == (tokens, 3)
    assert told["d"].error is not None
    assert told["d"].error[0] == "generation_failed"


def test_what_lmdeploy_cannot_do_fails_the_record_only(tiny_model: Path, stand_ins: StandIns) -> None:
    engine = engine_for("lmdeploy", tiny_model)
    stand_ins.tokens = engine._opened
    engine.load()
    stand_ins.says = {"1": Output("yes", "stop", input_token_len=999)}
    told = run(engine, [record("a", "fox"), record("b", "fox"), record("c", "fox", temperature=3.0)]).told
    assert told["a"].text == "yes"
    assert told["b"].error is not None
    assert told["b"].error[0] == "prompt_tokens_differ"
    assert told["c"].error is not None
    assert told["c"].error[0] == "parameter_unsupported"


@BOTH
def test_work_is_taken_call_by_call(tiny_model: Path, stand_ins: StandIns, name: str) -> None:
    engine = engine_for(name, tiny_model, batch=Batch(rows=3))
    stand_ins.tokens = engine._opened
    engine.load()
    work = run(engine, [record(str(n), "fox") for n in range(7)])
    assert work.taken == [3, 3, 1, 0]
    assert len(work.told) == 7


@BOTH
@pytest.mark.usefixtures("stand_ins")
def test_an_engine_that_fails_ends_the_run_with_its_reason(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    engine = engine_for(name, tiny_model)
    engine.load()

    def failing(_batch: Any) -> None:
        raise RuntimeError("engine core died")

    monkeypatch.setattr(engine, "_answer", failing)
    with pytest.raises(DeviceError, match=f"{name} failed: engine core died"):
        run(engine, [record("a", "fox")])


def test_the_lists_are_all_that_we_use(tiny_model: Path) -> None:
    tokens = Tokens(Job(str(tiny_model), Path("i"), Path("o")))
    request = tokens.prepare(record("a", "fox"))
    assert set(ours_vllm.sampling_arguments(request, tokens)) == KNOWN["vllm SamplingParams"]
    assert {*ours_vllm.engine_arguments("auto", tokens, 1, 1), "trust_remote_code"} == KNOWN["vllm LLM"]
    assert set(ours_lmdeploy.generation_arguments(request, tokens)) == KNOWN["lmdeploy GenerationConfig"]
    assert set(ours_lmdeploy.engine_arguments("auto", tokens, 1, 1)) == KNOWN["lmdeploy TurbomindEngineConfig"]
    assert None not in ours_lmdeploy.engine_arguments("auto", tokens, 1, None).values(), "LMDeploy refuses None"


WHEELS = os.environ.get("FURO_WHEELS")
SOURCES = {
    "vllm LLM": ("vllm", ["vllm/entrypoints/llm.py", "vllm/engine/arg_utils.py"], ["LLM", "EngineArgs"]),
    "vllm SamplingParams": ("vllm", ["vllm/sampling_params.py"], ["SamplingParams"]),
    "lmdeploy TurbomindEngineConfig": ("lmdeploy", ["lmdeploy/messages.py"], ["TurbomindEngineConfig"]),
    "lmdeploy GenerationConfig": ("lmdeploy", ["lmdeploy/messages.py"], ["GenerationConfig"]),
}


@pytest.mark.wheels
@pytest.mark.parametrize("kind", SOURCES)
def test_the_engines_know_the_names(kind: str) -> None:
    name, paths, classes = SOURCES[kind]
    wheels = sorted(Path(WHEELS or "").glob(f"{name}-*.whl"))
    assert wheels
    for wheel in wheels:
        known: set[str] = set()
        with zipfile.ZipFile(wheel) as archive:
            for path in paths:
                known |= set(names_of(ast.parse(archive.read(path)), classes))
        assert known >= KNOWN[kind], wheel.name


def names_of(tree: ast.Module, classes: Sequence[str]) -> Iterator[str]:
    """The fields and the parameters of __init__ of `classes`."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in classes:
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    yield item.target.id
                if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                    yield from (argument.arg for argument in [*item.args.args, *item.args.kwonlyargs])
