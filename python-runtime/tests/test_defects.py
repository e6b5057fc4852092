"""Defects of hand-written inference scripts that this runtime must not have; those without a better place are here.

 1 a prompt is cut                           test_own, test_run
 2 the prompt is part of the answer          test_run
 3 the first token twice                     test_own
 4 padding on the right                      test_own_families
 5 padding that looks like the end           test_own_families
 6 one row at a time                         here
 7 bfloat16 on a GPU without it              here
 8 an error swallowed                        test_run
 9 an option that has no effect              test_job
10 everything lost at the time limit         test_resume
11 code from a model's repository            here
12 no seed, version, reason, count           test_results
13 greedy decoding while thinking            here
14 no estimate                               test_plan
15 a map that is not device_map's            test_inspect
16 one bad line ends the job                 test_records
17 silent garbage from a template            test_records
18 names of one family only                  test_own_families
19 two ideas of the number of ranks          test_processes
20 the whole model on every rank             test_plan_holds
21 variables that reach one node only        test_preflight
22 all ranks on the first node               test_preflight
23 another NCCL in front                     test_preflight
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import make_model
from test_own import answers, load, many

from furo_infer._errors import ModelError
from furo_infer._job import Generation, Job
from furo_infer.engines._commands import Kind
from furo_infer.engines._devices import choose_dtype
from furo_infer.engines._tokens import Tokens


def test_6_free_rows_are_filled_at_once(endless_model: Path) -> None:
    lengths = [3, 40, 5, 8, 30, 4, 12, 25, 6, 40, 9, 16]
    records = [one for n, most in enumerate(lengths) for one in many(n + 1, max_new_tokens=most)[n:]]
    engine = load(endless_model, records, rows=4)
    answers(engine, records)
    steps = engine.worker.steps
    free_at = [0] * 4
    for length in lengths:  # the bound: a row is filled in no time, in the order of the input
        slot = free_at.index(min(free_at))
        free_at[slot] += length
    assert steps[Kind.DECODE] <= 1.25 * max(free_at)
    assert engine.worker.rows_decoded / steps[Kind.DECODE] > 0.7 * 4


@pytest.mark.parametrize(
    ("capability", "saved", "expected"),
    [
        ((7, 0), "bfloat16", torch.float16),
        ((7, 5), "bfloat16", torch.float16),
        ((8, 0), "bfloat16", torch.bfloat16),
        ((9, 0), "float16", torch.float16),
    ],
)
def test_7_bfloat16_only_where_the_gpu_has_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], saved: str, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    config = type("Config", (), {"dtype": saved, "torch_dtype": saved})()
    assert choose_dtype("auto", torch.device("cuda", 0), config) is expected


def test_11_code_beside_a_model_is_not_run(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    trace = tmp_path / "it ran"
    (model / "modeling_evil.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Evil: pass\n")
    path = model / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "model_type": "evil", "auto_map": {"AutoConfig": "modeling_evil.Evil"}}))
    with pytest.raises(ModelError):
        load(model, [])
    assert not trace.exists()


@pytest.mark.parametrize(
    ("temperature", "kwargs", "warns"), [(0.0, {}, True), (0.6, {}, False), (0.0, {"enable_thinking": False}, False)]
)
def test_13_greedy_thinking_is_told(
    tiny_model: Path, temperature: float, kwargs: dict[str, bool], *, warns: bool
) -> None:
    job = Job(
        str(tiny_model),
        Path("i"),
        Path("o"),
        generation=Generation(temperature=temperature),
        chat_template_kwargs=kwargs,
    )
    tokens = Tokens(job)
    assert tokens.notes(job) == []
    tokens.tokenizer.chat_template += "{% if enable_thinking %}<think>{% endif %}"
    assert any("thinking" in note for note in tokens.notes(job)) is warns
