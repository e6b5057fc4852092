"""The back end "transformers": greedy tokens in float32 equal to generate() for each record alone, on one device and
in parts; what goes wrong with one record stays with it."""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CONTEXT_TOKENS, ON, make_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from furo_infer._allocation import Allocation
from furo_infer._job import Batch, Generation, Job
from furo_infer._prompts import PromptRefused, conversation_of
from furo_infer._records import Record
from furo_infer._results import Answer
from furo_infer.engines._rows import Chance, choose
from furo_infer.engines.base import Request
from furo_infer.engines.generate import GenerateEngine

WORDS = ["fox", "river", "dog", "question", "answer", "東京", "富士山", "7", "nodes", "lazy"]


class Going:
    """A watch that stops after `steps` tokens, or never."""

    def __init__(self, steps: int | None = None) -> None:
        self._left = steps
        self.tokens: list[int] = []

    def stopped(self) -> bool:
        return self._left is not None and len(self.tokens) >= self._left

    def stepped(self, tokens: int) -> None:
        self.tokens.append(tokens)


def record(identity: str, text: str, **wishes: Any) -> Record:
    conversation = conversation_of(({"role": "user", "content": text},), None)
    return Record(identity, 1, conversation, None, Generation(**wishes), {}, "00")


def prompts(count: int) -> list[str]:
    chosen = random.Random(1)
    return [" ".join(chosen.choices(WORDS, k=chosen.randint(1, 40))) for _ in range(count)]


def load(model: Path, **changes: Any) -> GenerateEngine:
    engine = GenerateEngine(Job(str(model), Path("i"), Path("o"), **{**ON, **changes}), Allocation())
    engine.open()
    engine.load()
    return engine


class Records:
    """Work that gives requests in their order and keeps what is told."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.left = list(requests)
        self.taken: list[int] = []
        self.told: dict[str, Answer] = {}

    def take(self, most: int) -> list[Request]:
        given, self.left = self.left[:most], self.left[most:]
        self.taken.append(len(given))
        return given

    def tell(self, request: Request, answer: Answer) -> None:
        assert request.record.id not in self.told
        self.told[request.record.id] = answer


def answer(engine: GenerateEngine, records: Sequence[Record]) -> list[Answer]:
    answers = engine.answer([engine.prepare(one) for one in records], Going())
    assert all(answers)
    return [one for one in answers if one]


def alone(model: Path, text: str, new_tokens: int) -> str:
    """The reference: one record, no padding, straight through transformers."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    reference = AutoModelForCausalLM.from_pretrained(model)
    if tokenizer.chat_template:
        conversation = [{"role": "user", "content": text}]
        text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
    inputs = tokenizer(text, return_tensors="pt", add_special_tokens=not tokenizer.chat_template)
    with torch.inference_mode():
        tokens = reference.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=new_tokens,
            do_sample=False,
            pad_token_id=1,
        )[0]
    return str(tokenizer.decode(tokens[inputs["input_ids"].shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize(("family", "chat"), [("llama", True), ("llama", False), ("gpt2", True)])
def test_greedy_answers_equal_generate_on_each_record_alone(tmp_path: Path, family: str, chat: bool) -> None:
    model = make_model(tmp_path, family=family, chat=chat)
    texts = prompts(12)
    answers = answer(load(model), [record(str(n), text, max_new_tokens=24) for n, text in enumerate(texts)])
    assert [one.text for one in answers] == [alone(model, text, 24) for text in texts]
    assert len({one.prompt_tokens for one in answers}) > 5, "the batch had nothing to pad"
    assert len({one.text for one in answers}) > 8, "the model says the same to everything: the test shows nothing"


def test_the_end_token_ends_one_row_and_not_the_others(tiny_model: Path) -> None:
    texts = prompts(40)
    answers = answer(load(tiny_model), [record(str(n), text, max_new_tokens=60) for n, text in enumerate(texts)])
    reasons = [one.finish_reason for one in answers]
    assert {"stop", "length"} == set(reasons)
    for one in answers:
        assert one.completion_tokens == 60 if one.finish_reason == "length" else one.completion_tokens <= 60


def test_each_row_has_its_own_limit_and_stop_text(endless_model: Path) -> None:
    engine = load(endless_model)
    [long] = answer(engine, [record("a", "fox", max_new_tokens=40)])
    assert long.text is not None
    assert long.completion_tokens == 40
    stop = long.text[8:11]
    rows = [
        record("a", "fox", max_new_tokens=40, stop=(stop,)),
        record("b", "river dog", max_new_tokens=3),
        record("c", "fox", max_new_tokens=40),
    ]
    stopped, short, whole = answer(engine, rows)
    assert (stopped.text, stopped.finish_reason) == (long.text[: long.text.index(stop)], "stop")
    assert (short.completion_tokens, short.finish_reason) == (3, "length")
    assert whole.text == long.text


def test_sampling_depends_on_seed_and_id_only(endless_model: Path) -> None:
    engine = load(endless_model)
    wishes: dict[str, Any] = {"max_new_tokens": 20, "temperature": 1.2, "top_p": 0.95, "top_k": 50}
    rows = [record(str(n), text, seed=1, **wishes) for n, text in enumerate(prompts(6))]
    together = [one.text for one in answer(engine, rows)]
    separate = [answer(engine, [row])[0].text for row in reversed(rows)][::-1]
    assert together == separate
    other_seed = [record(str(n), text, seed=2, **wishes) for n, text in enumerate(prompts(6))]
    assert [one.text for one in answer(engine, other_seed)] != together
    same_prompt = answer(engine, [record(name, "fox", seed=1, **wishes) for name in "ab"])
    assert same_prompt[0].text != same_prompt[1].text


def test_sampling_with_one_candidate_is_greedy(endless_model: Path) -> None:
    engine = load(endless_model)
    greedy, top_k, top_p = (
        answer(engine, [record("a", "fox", max_new_tokens=20, **wishes)])[0].text
        for wishes in ({}, {"temperature": 5.0, "top_k": 1}, {"temperature": 5.0, "top_p": 0.0})
    )
    assert greedy == top_k == top_p


def test_a_draw_follows_the_distribution() -> None:
    count = 4000
    wish = Generation(temperature=1.0, top_k=3)
    shares = torch.tensor([0.1, 0.5, 0.05, 0.35])
    chosen = choose(shares.log().repeat(count, 1), [Chance(str(n), wish) for n in range(count)])
    expected = torch.tensor([0.1, 0.5, 0.0, 0.35]) / 0.95
    assert torch.allclose(torch.tensor(chosen).bincount(minlength=4) / count, expected, atol=0.03)


def test_a_prompt_that_is_too_long_is_refused_and_never_cut(tiny_model: Path) -> None:
    engine = load(tiny_model)
    with pytest.raises(PromptRefused) as raised:
        engine.prepare(record("a", "fox " * 1000))
    assert raised.value.code == "prompt_too_long"
    assert f"the model takes {CONTEXT_TOKENS}" in raised.value.message


def test_an_answer_ends_where_the_context_ends(endless_model: Path) -> None:
    engine = load(endless_model)
    text = "fox"
    while True:
        try:
            engine.prepare(record("a", text + " fox"))
        except PromptRefused:
            break
        text += " fox"
    request = engine.prepare(record("a", text, max_new_tokens=100))
    [one] = answer(engine, [record("a", text, max_new_tokens=100)])
    assert one.completion_tokens == CONTEXT_TOKENS - request.tokens
    assert one.finish_reason == "length"


def test_a_stop_between_tokens_keeps_the_rows_that_have_ended(endless_model: Path) -> None:
    engine = load(endless_model)
    rows = [record("a", "fox", max_new_tokens=3), record("b", "fox", max_new_tokens=400)]
    watch = Going(steps=10)
    short, cut = engine.answer([engine.prepare(row) for row in rows], watch)
    assert short is not None
    assert short.completion_tokens == 3
    assert cut is None
    assert len(watch.tokens) == 10
    assert watch.tokens[-1] == 13


def test_out_of_memory_halves_the_rows(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = load(tiny_model)
    whole = engine._generate
    sizes: list[int] = []

    def small_memory(part: Sequence[Request], watch: Any) -> list[Answer | None]:
        sizes.append(len(part))
        if len(part) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return whole(part, watch)

    rows = [record(str(n), text, max_new_tokens=8) for n, text in enumerate(prompts(7))]
    expected = [one.text for one in answer(engine, rows)]
    monkeypatch.setattr(engine, "_generate", small_memory)
    assert [one.text for one in answer(engine, rows)] == expected
    assert sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]


def test_one_bad_row_does_not_take_the_others_with_it(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = load(tiny_model)
    whole = engine._generate

    def fragile(part: Sequence[Request], watch: Any) -> list[Answer | None]:
        if any(request.record.id == "2" for request in part):
            raise RuntimeError("shape mismatch")
        return whole(part, watch)

    rows = [record(str(n), text, max_new_tokens=8) for n, text in enumerate(prompts(4))]
    monkeypatch.setattr(engine, "_generate", fragile)
    answers = answer(engine, rows)
    assert [one.error for one in answers] == [None, None, ("generation_failed", "shape mismatch"), None]


def test_numbers_that_are_not_finite_fail_the_record(tmp_path: Path) -> None:
    model = make_model(tmp_path)
    engine = load(model)
    with torch.no_grad():
        engine._loaded.model.lm_head.weight[5] = float("nan")
    [one] = answer(engine, [record("a", "fox", max_new_tokens=4)])
    assert one.error is not None
    assert one.error[0] == "not_finite"


def test_a_run_takes_as_many_rows_as_there_is_room_for_and_tells_each_once(tiny_model: Path) -> None:
    engine = load(tiny_model)
    requests = [engine.prepare(record(str(n), text, max_new_tokens=8)) for n, text in enumerate(prompts(20))]
    requests.sort(key=lambda request: -request.tokens)
    longest = requests[0].tokens + 8
    engine._placed = dataclasses.replace(engine._loaded, room_tokens=3 * longest)
    work = Records(requests)
    engine.run(work, Going())
    assert work.taken[:2] == [1, 2]
    assert max(work.taken) > 2, "shorter prompts leave room for more rows"
    assert sorted(work.told) == sorted(request.record.id for request in requests)
    expected = {one.record.id: answer(engine, [one.record])[0].text for one in requests}
    assert {identity: one.text for identity, one in work.told.items()} == expected


def test_a_run_that_is_stopped_tells_what_has_ended_and_leaves_the_rest(endless_model: Path) -> None:
    engine = load(endless_model, batch=Batch(rows=2))
    limits = [3, 400, 400]
    work = Records([engine.prepare(record(str(n), "fox", max_new_tokens=most)) for n, most in enumerate(limits)])
    engine.run(work, Going(steps=10))
    assert list(work.told) == ["0"]
    assert len(work.left) == 1


CACHE = Path(os.environ.get("FURO_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "furo-workflows"))
DEMO_MODEL = CACHE.expanduser() / "models" / "SmolLM2-135M-Instruct"


@pytest.mark.skipif(not DEMO_MODEL.is_dir(), reason="the demo's model is not set up (npm run demo)")
@pytest.mark.newest  # the demo's tokenizer is saved by transformers 5
def test_the_demo_model_knows_capitals() -> None:
    engine = load(DEMO_MODEL)
    asked = {
        "What is the capital of Japan?": "Tokyo",
        "What is the capital of France?": "Paris",
        "What is the chemical formula of water?": "H2O",
    }
    rows = [record(question, question, max_new_tokens=48) for question in asked]
    for one, expected in zip(answer(engine, rows), asked.values(), strict=True):
        assert expected in (one.text or "")
        assert "<|im_end|>" not in (one.text or "")
