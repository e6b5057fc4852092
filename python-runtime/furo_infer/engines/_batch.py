"""One micro-batch as its leader sees it: which row is in which slot of the cache, and what is on its way.

Knows slots; decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ._commands import Command
from ._rows import Row

__all__ = ["Batch"]


@dataclass
class Batch:
    """A slot without a row is a gap, which is filled or closed before the next step. `partial` is a row of whose prompt
    only the first `computed` tokens are in the cache."""

    number: int
    slots: list[Row | None] = field(default_factory=list)
    rows: int = 0
    columns: int = 0
    sent: Command | None = None
    sent_rows: list[Row] = field(default_factory=list)
    chosen: torch.Tensor | None = None
    partial: Row | None = None
    computed: int = 0

    @property
    def live(self) -> list[Row]:
        return [row for row in self.slots if row is not None]

    def put(self, row: Row) -> int:
        """The slot: the first gap, else a new one at the end."""
        slot = self.slots.index(None) if None in self.slots else len(self.slots)
        self.slots[slot : slot + 1] = [row]
        return slot

    def remove(self, row: Row) -> None:
        self.slots[self.slots.index(row)] = None

    def close_gaps(self) -> list[tuple[int, int]]:
        """Moves the last rows into the gaps; returns (from, to) of each."""
        moves = []
        while None in self.slots:
            last = self.slots.pop()
            if last is not None:
                moves.append((len(self.slots), self.put(last)))
        return moves
