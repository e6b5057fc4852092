"""JSON whatever the model wants to say: random weights through the engines, with and without a form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ON
from test_own_families import Going, Pile

from furo_infer._allocation import Allocation
from furo_infer._job import Batch, Generation, Job
from furo_infer._prompts import PromptRefused, conversation_of
from furo_infer._records import Record
from furo_infer._replicas import Single
from furo_infer._results import Answer
from furo_infer.engines._grammar import Grammar
from furo_infer.engines._tokens import Tokens
from furo_infer.engines.base import Engine
from furo_infer.engines.generate import GenerateEngine
from furo_infer.engines.own import OwnEngine

SCHEMA = {
    "type": "object",
    "properties": {"sure": {"type": "boolean"}, "count": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["sure", "count"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}


def record(identity: str, form: Mapping[str, Any] | None, **wishes: Any) -> Record:
    conversation = conversation_of(({"role": "user", "content": f"fox {identity}"},), None)
    return Record(identity, 1, conversation, None, Generation(**wishes), {}, "00", form)


def answers(kind: str, model: Path, records: list[Record], rows: int) -> dict[str, Answer]:
    job = Job(str(model), Path("i"), Path("o"), batch=Batch(rows=rows), **ON)
    engine: Engine = (
        OwnEngine(job, Allocation(), Single(), records) if kind == "own" else GenerateEngine(job, Allocation())
    )
    engine.open()
    requests = [engine.prepare(one) for one in records]
    engine.load()
    pile = Pile(requests)
    engine.run(pile, Going())
    return pile.answers


@pytest.mark.parametrize("kind", ["own", "transformers"])
def test_every_answer_keeps_the_schema_and_the_others_are_free(tiny_model: Path, kind: str) -> None:
    wishes: dict[str, Any] = {"max_new_tokens": 60, "temperature": 1.0}
    formed = [record(f"f{n}", FORM, **wishes) for n in range(4)]
    free = [record(f"t{n}", None, **wishes) for n in range(3)]
    mixed = answers(kind, tiny_model, [formed[0], free[0], formed[1], free[1], formed[2], free[2], formed[3]], 4)
    values = []
    for one in formed:
        answer = mixed[one.id]
        assert answer.finish_reason == "stop"
        value = json.loads(answer.text or "")
        assert set(value) == {"sure", "count"}
        assert isinstance(value["sure"], bool)
        assert 0 <= value["count"] <= 99
        values.append(answer.text)
    assert len(set(values)) > 1, "the model says the same to everything: the test shows nothing"
    alone = answers(kind, tiny_model, [free[0]], 1)
    assert alone["t0"].text == mixed["t0"].text
    assert answers(kind, tiny_model, [formed[2]], 1)["f2"].text == mixed["f2"].text


def test_an_answer_that_is_cut_by_its_limit_says_so(tiny_model: Path) -> None:
    [answer] = answers("own", tiny_model, [record("a", FORM, max_new_tokens=3)], 1).values()
    assert answer.finish_reason == "length"


def test_any_object(tiny_model: Path) -> None:
    form = {"type": "json_object"}
    [answer] = answers("own", tiny_model, [record("a", form, max_new_tokens=400, temperature=1.0)], 1).values()
    text = answer.text or ""
    assert text.startswith("{")
    if answer.finish_reason == "stop":
        assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize("kind", ["own", "transformers"])
def test_a_schema_that_cannot_be_is_refused_before_loading(tiny_model: Path, kind: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}}
    with pytest.raises(PromptRefused) as raised:
        answers(kind, tiny_model, [record("a", form)], 1)
    assert raised.value.code == "response_format_invalid"


def test_a_model_without_an_end_is_refused(endless_model: Path) -> None:
    with pytest.raises(PromptRefused, match="no answer of it ever ends"):
        answers("own", endless_model, [record("a", FORM)], 1)


def test_without_the_library_the_record_says_what_to_install(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(PromptRefused, match="pip install llguidance"):
        answers("own", tiny_model, [record("a", FORM)], 1)


def test_any_end_token_of_the_model_may_end_an_answer(tiny_model: Path) -> None:
    tokens = Tokens(Job(str(tiny_model), Path("i"), Path("o"), device="cpu"))
    tokens.end_tokens = frozenset({1, 3})
    schema = {"type": "integer", "minimum": 0, "maximum": 99}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    matcher = Grammar(tokens).matcher(form)
    assert matcher is not None
    before, after = torch.zeros(tokens.vocabulary), torch.zeros(tokens.vocabulary)
    matcher.mask(before)
    [digit] = tokens.tokenizer("7", add_special_tokens=False)["input_ids"]
    matcher.accept(digit)
    matcher.mask(after)
    assert not torch.isfinite(before[[1, 3]]).any()
    assert torch.isfinite(before[digit])
    assert torch.isfinite(after[[1, 3]]).all()
    matcher.accept(3)
