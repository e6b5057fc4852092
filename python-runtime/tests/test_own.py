"""The own engine on one device: limits, stop texts, sampling, and what goes wrong with memory, numbers and files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CONTEXT_TOKENS, ON, make_model
from test_own_families import Going, Pile

from furo_infer._allocation import Allocation
from furo_infer._errors import ModelError
from furo_infer._job import Batch, Generation, Job
from furo_infer._prompts import PromptRefused, conversation_of
from furo_infer._records import Record
from furo_infer._replicas import Single
from furo_infer._results import Answer
from furo_infer.engines._commands import Command, Kind
from furo_infer.engines._leader import MOST_PADDING, REDONE
from furo_infer.engines.own import OwnEngine


def record(identity: str, text: str, **wishes: Any) -> Record:
    conversation = conversation_of(({"role": "user", "content": text},), None)
    return Record(identity, 1, conversation, None, Generation(**wishes), {}, "00")


def load(model: Path, records: Sequence[Record], rows: int = 4, **changes: Any) -> OwnEngine:
    job = Job(str(model), Path("i"), Path("o"), batch=Batch(rows=rows), **{**ON, **changes})
    engine = OwnEngine(job, Allocation(), Single(), records)
    engine.open()
    engine.load()
    return engine


def answers(engine: OwnEngine, records: Sequence[Record]) -> dict[str, Answer]:
    pile = Pile([engine.prepare(one) for one in records])
    engine.run(pile, Going())
    return pile.answers


def many(count: int, **wishes: Any) -> list[Record]:
    return [record(str(n), "fox " * (n % 7 + 1) + str(n), **wishes) for n in range(count)]


def texts(told: dict[str, Answer]) -> dict[str, str | None]:
    return {name: answer.text for name, answer in told.items()}


def test_sampling_depends_on_seed_and_id_only(endless_model: Path) -> None:
    wishes: dict[str, Any] = {"max_new_tokens": 15, "temperature": 1.2, "top_p": 0.95, "top_k": 50, "seed": 1}
    records = many(9, **wishes)
    together = texts(answers(load(endless_model, records, rows=9), records))
    assert texts(answers(load(endless_model, records, rows=2), records)) == together
    other = many(9, **{**wishes, "seed": 2})
    assert texts(answers(load(endless_model, other, rows=9), other)) != together


def test_each_row_has_its_own_limit_and_stop_text(endless_model: Path) -> None:
    long = record("a", "fox", max_new_tokens=40)
    whole = answers(load(endless_model, [long]), [long])["a"].text or ""
    stop = whole[8:11]
    rows = [
        record("a", "fox", max_new_tokens=40, stop=(stop,)),
        record("b", "river dog", max_new_tokens=3),
        record("c", "fox", max_new_tokens=40),
    ]
    told = answers(load(endless_model, rows), rows)
    assert (told["a"].text, told["a"].finish_reason) == (whole[: whole.index(stop)], "stop")
    assert (told["b"].completion_tokens, told["b"].finish_reason) == (3, "length")
    assert told["c"].text == whole


def test_an_answer_ends_where_the_context_ends(endless_model: Path) -> None:
    engine = load(endless_model, [record("a", "fox", max_new_tokens=10_000)])
    [answer] = answers(engine, [record("a", "fox", max_new_tokens=10_000)]).values()
    assert answer.completion_tokens == CONTEXT_TOKENS - answer.prompt_tokens
    with pytest.raises(PromptRefused, match=f"the model takes {CONTEXT_TOKENS}"):
        engine.prepare(record("b", "fox " * 1000))


class SmallMemory:
    """A worker whose device holds `most` rows and fails at a step that has more."""

    def __init__(self, engine: OwnEngine, most: int) -> None:
        self.sizes: list[int] = []
        stage = engine.worker._stage
        whole = stage.forward

        def forward(given: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
            self.sizes.append(len(given))
            if len(given) > most:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
            return whole(given, positions, cache)

        stage.forward = forward  # type: ignore[method-assign]


def test_out_of_memory_halves_the_rows_and_loses_nothing(endless_model: Path) -> None:
    records = many(9, max_new_tokens=12, temperature=1.0)
    expected = texts(answers(load(endless_model, records, rows=8), records))
    engine = load(endless_model, records, rows=8)
    memory = SmallMemory(engine, 3)
    assert texts(answers(engine, records)) == expected
    assert memory.sizes[0] == 8
    assert max(memory.sizes[4:]) <= 3


def test_a_row_that_does_not_fit_alone_is_a_failed_record(endless_model: Path) -> None:
    records = many(3, max_new_tokens=4)
    engine = load(endless_model, records)
    SmallMemory(engine, 0)
    told = answers(engine, records)
    assert [answer.error[0] for answer in told.values() if answer.error] == ["out_of_memory"] * 3


@pytest.mark.gpu
@pytest.mark.parametrize("room", [24, 48, 96])
def test_a_gpu_that_is_really_full_loses_nothing(endless_model: Path, room: int) -> None:
    records = many(600, max_new_tokens=200)
    wishes = {"device": "cuda", "dtype": "float32"}
    expected = texts(answers(load(endless_model, records, rows=600, **wishes), records))
    engine = load(endless_model, records, rows=2000, **wishes)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (room << 20)) / total)
    sizes: list[int] = []
    stage, whole = engine.worker._stage, engine.worker._stage.forward

    def forward(given: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
        sizes.append(cache.rows)
        return whole(given, positions, cache)

    stage.forward = forward  # type: ignore[method-assign]
    try:
        told = answers(engine, records)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert texts(told) == expected
    assert min(sizes) < 600, "all fitted: the test shows nothing"


def test_the_cache_has_a_limit_and_the_youngest_rows_give_way(endless_model: Path) -> None:
    records = many(8, max_new_tokens=150, temperature=1.0)
    expected = texts(answers(load(endless_model, records, rows=8), records))
    engine = load(endless_model, records, rows=8)
    engine._limits.kv_tokens = 400
    held: list[int] = []
    lead = engine.worker.lead

    def watched(command: Command, tokens: torch.Tensor | None) -> torch.Tensor | None:
        if command.kind is not Kind.END:
            held.append(command.rows * command.columns)
        return lead(command, tokens)

    engine.worker.lead = watched  # type: ignore[method-assign]
    assert texts(answers(engine, records)) == expected
    assert max(held) <= 400


def test_prompts_of_very_different_lengths_are_not_filled_up_to_the_longest(endless_model: Path) -> None:
    records = [record(str(n), "fox " * words, max_new_tokens=4) for n, words in enumerate([90, 88, *[2] * 10])]
    engine = load(endless_model, records, rows=12)
    whole = engine.worker.lead
    shapes: list[tuple[int, ...]] = []

    def lead(command: Command, tokens: torch.Tensor | None) -> torch.Tensor | None:
        if command.kind is Kind.PREFILL and tokens is not None:
            shapes.append(tuple(tokens.shape))
        return whole(command, tokens)

    engine.worker.lead = lead  # type: ignore[method-assign]
    requests = [engine.prepare(one) for one in records]
    pile = Pile(requests)
    engine.run(pile, Going())
    assert [rows for rows, _ in shapes] == [2, 10]
    padding = sum(rows * width for rows, width in shapes) - sum(one.tokens for one in requests)
    assert padding <= 2 * MOST_PADDING
    assert texts(pile.answers) == texts(answers(load(endless_model, records, rows=1), records))


def test_one_bad_row_does_not_take_the_others_with_it(endless_model: Path) -> None:
    records = many(5, max_new_tokens=6)
    expected = texts(answers(load(endless_model, records), records))
    engine = load(endless_model, records)
    lead = engine.worker.lead

    def fragile(command: Command, tokens: torch.Tensor | None) -> torch.Tensor | None:
        if 2 in command.records:
            raise RuntimeError("shape mismatch")
        return lead(command, tokens)

    engine.worker.lead = fragile  # type: ignore[method-assign]
    told = answers(engine, records)
    assert told["2"].error == ("generation_failed", "shape mismatch")
    assert {name: text for name, text in texts(told).items() if name != "2"} == {
        name: text for name, text in expected.items() if name != "2"
    }


def test_numbers_beyond_float16_are_computed_again_in_float32(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = make_model(tmp_path)
    path = model / "model.safetensors"
    weights = load_file(path)
    # Overflows float16 behind the product, not in the weights themselves; float32 has room for it.
    weights["model.layers.1.mlp.down_proj.weight"] *= 3e4
    save_file(weights, path, metadata={"format": "pt"})
    records = many(6, max_new_tokens=8)
    expected = texts(answers(load(model, records, dtype="float32"), records))
    told = answers(load(model, records, dtype="float16"), records)
    assert all(answer.error is None for answer in told.values())
    redone = {name for name, answer in told.items() if REDONE in answer.notes}
    assert redone
    for name in redone:
        # The weights were rounded to float16 before: the first tokens tell that these are the same numbers.
        assert (told[name].text or "")[:2] == (expected[name] or "")[:2]


def test_numbers_that_are_never_finite_fail_the_record(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = make_model(tmp_path)
    path = model / "model.safetensors"
    weights = load_file(path)
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, path, metadata={"format": "pt"})
    records = many(2, max_new_tokens=4)
    for dtype in ("float16", "float32"):
        told = answers(load(model, records, dtype=dtype), records)
        assert [answer.error[0] for answer in told.values() if answer.error] == ["not_finite"] * 2


def test_missing_weights_are_an_error_and_not_random_numbers(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = make_model(tmp_path)
    path = model / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack the weight model.layers.1.mlp.up_proj.weight"):
        load(model, [])


def test_a_torn_weight_file_is_a_model_error(tmp_path: Path) -> None:
    model = make_model(tmp_path)
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ModelError) as raised:
        load(model, [])
    assert raised.value.reason == "modelUnreadable"


def test_weights_of_another_shape_than_the_configuration(tmp_path: Path) -> None:
    model = make_model(tmp_path)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    with pytest.raises(ModelError, match="do not belong together"):
        load(model, [])


def test_the_tokenizer_of_another_model_is_seen(tmp_path: Path) -> None:
    model = make_model(tmp_path)
    engine = load(model, [])
    engine._opened.vocabulary = 5
    with pytest.raises(PromptRefused) as raised:
        engine.prepare(record("a", "fox"))
    assert raised.value.code == "tokenizer_mismatch"


def test_an_unknown_family_is_refused_and_names_the_other_back_end(tmp_path: Path) -> None:
    model = make_model(tmp_path)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "model_type": "olmo"}))
    with pytest.raises(ModelError, match=r'does not know the family "olmo".*--backend transformers'):
        load(model, [])


def test_there_is_one_beginning_token_in_a_prompt(tiny_model: Path) -> None:
    """The chat template writes it; a tokenizer that adds its own would double it."""
    engine = load(tiny_model, [])
    ids = engine.prepare(record("a", "fox")).ids
    assert ids.count(0) == 1
    assert ids[0] == 0
