"""How full the batches are: the real leader over steps that compute nothing. Counts, no clock.

python bench/scheduling.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from common import Going, Pile, Row, print_table, record, talk_lengths

from furo_infer.engines._commands import Command, Kind
from furo_infer.engines._leader import Leader, Limits
from furo_infer.engines.base import Request

SLOTS = 8


class Lengths:
    """Stands in for the tokenizer: each answer ends at its own length."""

    pad_token = 0
    end_tokens: frozenset[int] = frozenset()

    def __init__(self, lengths: Sequence[int]) -> None:
        self._lengths = lengths

    def limit(self, request: Request) -> int:
        return self._lengths[int(request.record.id)]

    def decode(self, ids: Sequence[int]) -> str:
        return str(len(ids))


class Steps:
    def __init__(self) -> None:
        self.calls = {Kind.PREFILL: 0, Kind.DECODE: 0}
        self.decoded = 0

    def lead(self, command: Command, tokens: torch.Tensor | None) -> torch.Tensor | None:
        if command.kind is Kind.END or tokens is None:
            return None
        self.calls[command.kind] += 1
        self.decoded += len(command.places) if command.kind is Kind.DECODE else 0
        return torch.ones(len(command.places), dtype=torch.long)


def steps_of(lengths: Sequence[int], slots: int) -> Steps:
    steps = Steps()
    tokens: Any = Lengths(lengths)
    requests = [Request(record(n, "", 1), "", (1,) * 40) for n in range(len(lengths))]
    leader = Leader(
        steps,
        lambda _rows: torch.zeros(0),
        tokens,
        Limits(rows=slots),
        lambda request: int(request.record.id),
        widens=False,
        by_itself=True,
    )
    pile = Pile(requests)
    leader.run(pile, Going())
    assert len(pile.answers) == len(lengths)
    return steps


def bound_of(lengths: Sequence[int], slots: int) -> int:
    """Steps where a free slot is filled in no time, in the order of the input."""
    free_at = [0] * slots
    for length in lengths:
        slot = free_at.index(min(free_at))
        free_at[slot] += length
    return max(free_at)


def rows() -> list[Row]:
    lengths = talk_lengths()
    steps = steps_of(lengths, SLOTS)
    calls, bound = sum(steps.calls.values()), bound_of(lengths, SLOTS)
    static = sum(max(lengths[start : start + SLOTS]) for start in range(0, len(lengths), SLOTS))
    total = sum(lengths)
    work = f"slot efficiency, {len(lengths)} answers of {min(lengths)} to {max(lengths)} tokens, {SLOTS} slots"
    return [
        Row(
            work,
            f"static batches: {total / SLOTS / static:.2f}",
            f"{steps.decoded} rows in {steps.calls[Kind.DECODE]} decoding steps",
            steps.decoded / SLOTS / steps.calls[Kind.DECODE],
            0.85,
        ),
        Row(
            "forward calls of the same",
            f"the refill bound: {bound}",
            f"{calls} calls, {steps.calls[Kind.PREFILL]} of them prefills",
            calls / bound,
            1.1,
            True,
        ),
    ]


if __name__ == "__main__":
    print_table(rows())
