"""Every family, every layout: greedy tokens equal to transformers' generate() on each record alone, in float32."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
import torch
from conftest import DEVICE
from families import CONFIGS, LAYERS, make_family, reference, set_end_tokens
from rendezvous import RendezvousLinks, Replica

from furo_infer._footprint import cut_by_bytes, read_footprint
from furo_infer._job import Generation, Job
from furo_infer._own_families import OWN_FAMILIES
from furo_infer._plan import PREFILL_TOKENS
from furo_infer._prompts import conversation_of
from furo_infer._records import Record
from furo_infer._results import Answer
from furo_infer.engines._families import FAMILIES
from furo_infer.engines._leader import Leader, Limits
from furo_infer.engines._links import Alone, Links
from furo_infer.engines._rotary import turning_point
from furo_infer.engines._rows import Chance
from furo_infer.engines._stage import load_stage
from furo_infer.engines._tokens import Tokens
from furo_infer.engines._worker import Worker
from furo_infer.engines.base import Request

WORDS = ["fox", "river", "dog", "question", "answer", "東京", "富士山", "7", "nodes", "lazy"]
RECORDS = 14
Made = Callable[[str], tuple[Path, Tokens, list[Record], list[str]]]
LOADING = threading.Lock()
ROWS = 3  # fewer than records, so that ended rows are refilled


class Pile:
    """Work from a list."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.left = list(requests)
        self.answers: dict[str, Answer] = {}

    def take(self, most: int) -> list[Request]:
        taken, self.left = self.left[:most], self.left[most:]
        return taken

    def tell(self, request: Request, answer: Answer) -> None:
        assert request.record.id not in self.answers, "a record was answered twice"
        self.answers[request.record.id] = answer


class Going:
    def stopped(self) -> bool:
        return False

    def stepped(self, tokens: int) -> None:
        assert tokens >= 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    @cache
    def make(family: str) -> tuple[Path, Tokens, list[Record], list[str]]:
        folder = make_family(tmp_path_factory.mktemp(family), family)
        tokens = Tokens(Job(str(folder), Path("i"), Path("o")))
        records = _records()
        prompts = [tokens.prepare(record) for record in records]
        asked = [(one.ids, one.record.generation.max_new_tokens) for one in prompts]
        end = _end_of_some(reference(folder, asked))
        set_end_tokens(folder, [1, end])
        tokens = Tokens(Job(str(folder), Path("i"), Path("o")))
        answers = reference(folder, asked)
        early = sum(said[-1] == end and len(said) < most for said, (_, most) in zip(answers, asked, strict=True))
        assert 2 <= early <= RECORDS - 2, "some answers have to end inside a batch by the end token, and some not"
        expected = [tokens.decode([t for t in said if t not in (1, end)]) for said in answers]
        assert len(set(expected)) > RECORDS // 2, "the model says the same to everything: the test shows nothing"
        return folder, tokens, records, expected

    return make


def _end_of_some(answers: list[list[int]]) -> int:
    """A token whose first place lies inside of some answers, but is not in all of them."""
    tokens = sorted({token for said in answers for token in said})
    inside = {token: sum(token in said[1:-1] for said in answers) for token in tokens}
    return min(tokens, key=lambda token: abs(inside[token] - RECORDS // 3))


def _records() -> list[Record]:
    chosen = random.Random(1)
    records = []
    for number in range(RECORDS):
        text = " ".join(chosen.choices(WORDS, k=chosen.randint(1, 12)))
        wish = Generation(max_new_tokens=chosen.randint(2, 24))
        conversation = conversation_of(({"role": "user", "content": text},), None)
        records.append(Record(str(number), number + 1, conversation, None, wish, {}, "00"))
    return records


def answers_of(
    links: Links,
    folder: Path,
    tokens: Tokens,
    records: list[Record],
    micro_batches: int,
    cuts: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    alter: Callable[[Worker], None] | None = None,
    prefill_tokens: int = PREFILL_TOKENS,
) -> dict[str, Answer] | None:
    """What one process of a replica does; the answers where it leads. `alter` changes the worker before it begins."""
    config = tokens.config.get_text_config()
    with LOADING:  # building on the meta device changes all threads of a process
        stage = load_stage(folder, config, cuts, links, dtype, torch.device(DEVICE))
    assert not any(parameter.is_meta for module in stage.weighted for parameter in module.parameters())

    def chance_of(number: int) -> Chance:
        return Chance(records[number].id, records[number].generation)

    worker = Worker(stage, links, ROWS, chance_of, tokens.pad_token)
    if alter is not None:
        alter(worker)
    if not links.place.leads:
        worker.follow()
        return None

    def receive(rows: int) -> torch.Tensor:
        chosen = torch.zeros(rows, dtype=torch.long)
        links.receive_tokens(chosen)
        return chosen

    pile = Pile([tokens.prepare(record) for record in records])
    limits = Limits(ROWS, None, micro_batches, prefill_tokens, turns_at=turning_point(config))
    by_itself = isinstance(links, Alone)
    widens = dtype != torch.float32
    leader = Leader(
        worker, receive, tokens, limits, lambda request: int(request.record.id), widens=widens, by_itself=by_itself
    )
    with torch.inference_mode():
        leader.run(pile, Going())
    return pile.answers


@pytest.mark.parametrize(("stages", "parts"), [(1, 1), (2, 1), (3, 1), (LAYERS, 1), (1, 2), (2, 2), (3, 2)])
@pytest.mark.parametrize("family", list(CONFIGS))
def test_layouts_give_the_tokens_of_generate(made: Made, family: str, stages: int, parts: int) -> None:
    folder, tokens, records, expected = made(family)
    cuts = cut_by_bytes(read_footprint(folder, "float32"), stages)

    def body(links: RendezvousLinks | Alone) -> dict[str, Answer] | None:
        # One micro-batch more than stages: a step of each is on its way while another waits.
        return answers_of(links, folder, tokens, records, stages + 1 if stages > 1 else 1, cuts)

    answers = body(Alone()) if stages * parts == 1 else Replica(stages, parts).run(body)[0]
    assert answers is not None
    assert [answers[record.id].text for record in records] == expected


def test_the_plan_knows_the_same_families_as_the_engine() -> None:
    assert set(OWN_FAMILIES) == set(FAMILIES)
