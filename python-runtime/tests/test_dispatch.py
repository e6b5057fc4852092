"""The back end "transformers": loading, models in parts on several devices, and numbers too large for float16.

On a machine without GPUs, main memory stands for a GPU that is too small, and the disk for the devices behind it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import make_model
from test_generate import answer, load, prompts, record
from transformers import AutoModelForCausalLM, AutoTokenizer

from furo_infer._allocation import Allocation
from furo_infer._errors import DeviceError, ModelError
from furo_infer._job import POLICIES, Batch, Job
from furo_infer.engines import _dispatch
from furo_infer.engines._leader import REDONE
from furo_infer.engines.generate import GenerateEngine


def only_main_memory(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    """Main memory stands for a GPU that is too small for the whole model; the disk takes the rest."""
    size = int((model / "model.safetensors").stat().st_size * 0.8)

    def memory_of(_first: torch.device, _allocation: Allocation) -> dict[int | str, int]:
        return {"cpu": size}

    monkeypatch.setattr(_dispatch, "memory_of", memory_of)


def overflowing_model(folder: Path) -> tuple[Path, str]:
    """A model whose numbers leave float16 where one word stands, and that word."""
    path = make_model(folder, ends=False)
    word = " 9"
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path)
    with torch.no_grad():
        model.model.embed_tokens.weight[tokenizer(word, add_special_tokens=False)["input_ids"][-1]] = 65_000.0
        model.model.layers[0].mlp.down_proj.weight *= 2_000
    model.half().save_pretrained(path)
    return path, word


@pytest.mark.parametrize("on_disk", [False, True])
def test_numbers_beyond_float16_are_computed_again_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    model, word = overflowing_model(tmp_path)
    rows = [record(str(n), text + (word if n % 2 else ""), max_new_tokens=8) for n, text in enumerate(prompts(6))]
    expected = answer(load(model, dtype="float32"), rows)
    if on_disk:
        only_main_memory(monkeypatch, model)
    engine = load(model, dtype="float16")
    before = {name: value.data_ptr() for name, value in engine._loaded.model.named_parameters() if not value.is_meta}
    redone = answer(engine, rows)
    marked = [row.conversation.shown.endswith(word) for row in rows]
    assert True in marked
    assert False in marked
    assert [one.notes for one in redone] == [(REDONE,) if mark else () for mark in marked]
    assert [one.text for one, mark in zip(redone, marked, strict=True) if mark] == [
        one.text for one, mark in zip(expected, marked, strict=True) if mark
    ]
    after = {name: value.data_ptr() for name, value in engine._loaded.model.named_parameters() if not value.is_meta}
    assert before == after, "the weights in half precision are not back in their places"
    assert all(value.dtype == torch.float16 for value in engine._loaded.model.parameters())


def test_numbers_that_are_not_finite_in_float32_either_fail_the_record(tmp_path: Path) -> None:
    engine = load(make_model(tmp_path), dtype="float16")
    with torch.no_grad():
        engine._loaded.model.lm_head.weight[5] = float("nan")
    [one] = answer(engine, [record("a", "fox", max_new_tokens=4)])
    assert one.error is not None
    assert one.error[0] == "not_finite"


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_model_in_parts_gives_the_same_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, policy: str
) -> None:
    model = make_model(tmp_path, family=family)
    rows = [record(str(n), text, max_new_tokens=8) for n, text in enumerate(prompts(5))]
    whole = answer(load(model), rows)
    only_main_memory(monkeypatch, model)
    engine = GenerateEngine(Job(str(model), Path("i"), Path("o"), device="cpu", policy=policy), Allocation())
    engine.open()
    loaded = engine.load()
    assert set(engine._loaded.model.hf_device_map.values()) == {"cpu", "disk"}
    assert any("on the disk" in note and policy in note for note in loaded.notes)
    assert any("fit on no GPU" in note for note in loaded.notes)
    assert [one.text for one in answer(engine, rows)] == [one.text for one in whole]


def test_the_gpus_of_a_node_are_shared_among_its_processes() -> None:
    def gpus(local_rank: int, local_processes: int, visible: int) -> tuple[int, ...]:
        place = Allocation(local_rank=local_rank, local_processes=local_processes, processes=local_processes)
        return _dispatch.own_gpus(place, visible)

    assert gpus(0, 1, 4) == (0, 1, 2, 3)
    assert [gpus(rank, 2, 4) for rank in range(2)] == [(0, 1), (2, 3)]
    assert [gpus(rank, 4, 4) for rank in range(4)] == [(0,), (1,), (2,), (3,)]
    assert [gpus(rank, 4, 1) for rank in range(4)] == [(0,)] * 4


def test_missing_weights_are_an_error_and_not_random_numbers(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = make_model(tmp_path)
    path = model / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack 1 weights, such as model.layers.1.mlp.up_proj.weight"):
        load(model)


def test_a_torn_weight_file_is_a_model_error(tmp_path: Path) -> None:
    model = make_model(tmp_path)
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError) as raised:
        load(model)
    assert raised.value.reason == "modelUnreadable"


@pytest.mark.without_gpu
def test_cuda_asked_for_and_absent(tiny_model: Path) -> None:
    engine = GenerateEngine(Job(str(tiny_model), Path("i"), Path("o"), device="cuda"), Allocation())
    engine.open()
    with pytest.raises(DeviceError) as raised:
        engine.load()
    assert raised.value.exit_code == 6


@pytest.mark.gpu
def test_greedy_on_a_gpu_in_float32_equals_the_cpu(tiny_model: Path) -> None:
    rows = [record(str(n), text, max_new_tokens=24) for n, text in enumerate(prompts(12))]
    job = Job(str(tiny_model), Path("i"), Path("o"), device="cuda", dtype="float32")
    engine = GenerateEngine(job, Allocation())
    engine.open()
    assert engine.load().device.startswith("cuda")
    assert [one.text for one in answer(engine, rows)] == [one.text for one in answer(load(tiny_model), rows)]


@pytest.mark.gpu
def test_auto_dtype_on_a_gpu_is_half_precision(tiny_model: Path) -> None:
    engine = GenerateEngine(Job(str(tiny_model), Path("i"), Path("o"), batch=Batch(rows=4)), Allocation())
    engine.open()
    assert engine.load().dtype == "float16"
