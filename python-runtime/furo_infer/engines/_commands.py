"""What the leader of a replica tells the processes that follow it, as one row of whole numbers of a fixed size.

Knows numbers only. The fixed size lets a receiver ask for it without knowing what comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import torch

__all__ = ["GOES_ON", "OUT_OF_MEMORY", "Command", "Kind", "command_size"]

# Stands for the tokens of a step that did not fit into the memory of some stage.
OUT_OF_MEMORY = -2
# Stands for the record of a row that is in its slot already and whose tokens are only computed anew.
GOES_ON = -1

HEADER = 9


class Kind(IntEnum):
    END = 0
    PREFILL = 1
    DECODE = 2


@dataclass(frozen=True)
class Command:
    """One step of one micro-batch. `places` are the lengths of the new prompts (PREFILL, for the rows `slots` and the
    input records `records`, or GOES_ON) or the position of each row's new token (DECODE, rows from 0 on). `moves`
    (from, to) happen before it. `rows` x `columns` is the size that the cache has to have, of whose rows `kept` are in
    use.
    A long prompt comes in pieces: PREFILL of one row from the token `start` on, up to its place; while `more` follow,
    nothing is chosen.
    """

    kind: Kind
    batch: int = 0
    rows: int = 0
    columns: int = 0
    kept: int = 0
    wide: bool = False
    failed: bool = False
    start: int = 0
    more: bool = False
    places: Sequence[int] = ()
    slots: Sequence[int] = ()
    records: Sequence[int] = ()
    moves: Sequence[tuple[int, int]] = ()

    @property
    def width(self) -> int:
        """Tokens a row of this step."""
        return max(self.places) - self.start if self.kind is Kind.PREFILL else 1

    def after_failure(self) -> Command:
        """The same, for the stages behind one that ran out of memory: they pass it on and compute nothing."""
        return replace(self, failed=True)

    def to_tensor(self, most_rows: int) -> torch.Tensor:
        """(command_size(most_rows),) int64."""
        header = [self.kind, self.batch, self.rows, self.columns, self.kept, len(self.places), len(self.moves)]
        header.extend([self.start, int(self.wide) + 2 * int(self.failed) + 4 * int(self.more)])
        sources, targets = [move[0] for move in self.moves], [move[1] for move in self.moves]
        numbers = list(header)
        for part in (self.places, self.slots, self.records, sources, targets):
            numbers.extend([*part, *[0] * (most_rows - len(part))])
        return torch.tensor(numbers, dtype=torch.long)

    @staticmethod
    def from_tensor(tensor: torch.Tensor) -> Command:
        numbers = tensor.tolist()
        most_rows = (len(numbers) - HEADER) // 5
        kind, batch, rows, columns, kept, count, moved, start, flags = numbers[:HEADER]
        parts = [numbers[HEADER + index * most_rows : HEADER + (index + 1) * most_rows] for index in range(5)]
        prefill = kind == Kind.PREFILL
        return Command(
            Kind(kind),
            batch,
            rows,
            columns,
            kept,
            bool(flags & 1),
            bool(flags & 2),
            start,
            bool(flags & 4),
            parts[0][:count],
            parts[1][:count] if prefill else (),
            parts[2][:count] if prefill else (),
            list(zip(parts[3][:moved], parts[4][:moved], strict=True)),
        )


def command_size(most_rows: int) -> int:
    return HEADER + 5 * most_rows
