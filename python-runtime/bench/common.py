"""What all benchmarks share: models, records, a way to run the own engine, and the table.

Every figure is a ratio of two ways that took turns in one run, because these machines are noisy: best of the rounds.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUNTIME = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(RUNTIME), str(RUNTIME / "tests")]
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig  # noqa: E402

from furo_infer._allocation import Allocation  # noqa: E402
from furo_infer._job import Batch, Generation, Job  # noqa: E402
from furo_infer._prompts import conversation_of  # noqa: E402
from furo_infer._records import Record  # noqa: E402
from furo_infer._replicas import Single  # noqa: E402
from furo_infer._results import Answer  # noqa: E402
from furo_infer.engines.base import Request  # noqa: E402
from furo_infer.engines.own import OwnEngine  # noqa: E402

CACHE = Path(os.environ.get("FURO_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "furo-workflows"))
DEMO_MODEL = CACHE.expanduser() / "models" / "SmolLM2-135M-Instruct"
WORDS = ("river", "mountain", "data", "model", "energy", "history", "market", "language", "ocean", "city")


@dataclass(frozen=True)
class Row:
    """One line of the table; `bar` is what the ratio must reach, `at_most` turns it round."""

    work: str
    peer: str
    figures: str
    ratio: float
    bar: float
    at_most: bool = False

    @property
    def reached(self) -> bool:
        return self.ratio <= self.bar if self.at_most else self.ratio >= self.bar


def print_table(rows: Sequence[Row]) -> None:
    print("| work | peer in the same run | measured | ratio | bar | reached |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        sign = "<=" if row.at_most else ">="
        reached = "yes" if row.reached else "**no**"
        print(f"| {row.work} | {row.peer} | {row.figures} | {row.ratio:.2f} | {sign} {row.bar:g} | {reached} |")
    sys.stdout.flush()


def in_turns(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The best seconds of each way; they take turns, so that a slow minute of the machine meets all of them."""
    best = {name: float("inf") for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def random_llama(folder: Path) -> Path:
    """About 150 million random weights in the shape of a Llama: 12 query heads share 4 KV heads. The tokenizer
    is that of the small real model, so that both answer the same prompts."""
    if not (folder / "config.json").exists():
        tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL)
        tokenizer.save_pretrained(folder)
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=768,
            intermediate_size=2048,
            num_hidden_layers=12,
            num_attention_heads=12,
            num_key_value_heads=4,
            max_position_embeddings=4096,
            initializer_range=0.05,
            eos_token_id=None,
            bos_token_id=tokenizer.bos_token_id,
            tie_word_embeddings=False,
        )
        model = AutoModelForCausalLM.from_config(config)
        model.generation_config.eos_token_id = None
        model.save_pretrained(folder)
    return folder


def talk_lengths() -> list[int]:
    """30 lengths of answers with the figures known of the talk's real run of Llama-3.1-8B: 68 to 512 tokens, 6056 in
    all; static batches of 8 take 1608 steps, of 16 1024, of 30 512. The lengths themselves are not known."""
    import random

    chosen = random.Random(0)
    batches = []
    for longest, count in ((512, 8), (300, 8), (512, 8), (284, 6)):
        batches.append([longest, *(chosen.randint(68, min(longest, 276)) for _ in range(count - 1))])
    lengths = [length for batch in batches for length in batch]
    at = 1
    while (rest := 6056 - sum(lengths)) != 0:  # what is missing goes to answers of middle length
        longest = max(batches[min(at // 8, 3)])
        step = max(68 - lengths[at], min(longest - 1 - lengths[at], rest)) if at % 8 else 0
        lengths[at] += max(-40, min(40, step))
        at = (at + 7) % 30
    assert (sum(lengths), min(lengths) >= 68) == (6056, True)
    for rows, steps in ((8, 1608), (16, 1024), (30, 512)):
        assert sum(max(lengths[start : start + rows]) for start in range(0, 30, rows)) == steps
    return lengths


def text_of(words: int, seed: int) -> str:
    import random

    chosen = random.Random(seed)
    return " ".join(chosen.choices(WORDS, k=words))


def record(number: int, text: str, new_tokens: int) -> Record:
    conversation = conversation_of(({"role": "user", "content": text},), None)
    return Record(str(number), number + 1, conversation, None, Generation(max_new_tokens=new_tokens), {}, "00")


class Pile:
    """Work from a list, the longest prompts first as in a real run."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._left = sorted(requests, key=lambda request: -request.tokens)
        self.answers: dict[str, Answer] = {}

    def take(self, most: int) -> list[Request]:
        taken, self._left = self._left[:most], self._left[most:]
        return taken

    def tell(self, request: Request, answer: Answer) -> None:
        assert answer.error is None, answer.error
        self.answers[request.record.id] = answer


class Going:
    def stopped(self) -> bool:
        return False

    def stepped(self, tokens: int) -> None:
        """Nothing waits for it."""


def own_engine(model: Path, records: Sequence[Record], rows: int, **changes: Any) -> OwnEngine:
    job = Job(str(model), Path("input.jsonl"), Path("results"), batch=Batch(rows=rows), **changes)
    engine = OwnEngine(job, Allocation(), Single(), records)
    engine.open()
    engine.load()
    return engine


def answer_all(engine: OwnEngine, records: Sequence[Record]) -> dict[str, Answer]:
    pile = Pile([engine.prepare(one) for one in records])
    engine.run(pile, Going())
    return pile.answers
