"""The rows of one batch on their way through generate(): its hooks for choosing tokens and for ending rows.

Knows how generate() calls; what a row chooses and when it ends is in `_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor, StoppingCriteria

from ._rows import BROKEN, Chance, Row, choose
from .base import Watch

__all__ = ["Choice", "Ending"]


class Choice(LogitsProcessor):
    """Chooses the next token of every row that goes on, and leaves it as the only one possible."""

    def __init__(self, rows: Sequence[Row], chances: Sequence[Chance], pad_token: int) -> None:
        self._rows = rows
        self._chances = chances
        self._pad_token = pad_token
        self._broken: set[int] = set()

    def is_broken(self, index: int) -> bool:
        """Whether the scores of this row were once NaN or infinite (float16 overflows on some models)."""
        return index in self._broken

    def has_ended(self, index: int) -> bool:
        return self._rows[index].reason is not None or index in self._broken

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """scores: (rows, vocabulary) in float32, a copy of generate()'s own -> the same with one finite score a row."""
        live = [index for index in range(len(self._rows)) if not self.has_ended(index)]
        chosen = [self._pad_token] * len(self._rows)
        whole = len(live) == len(self._rows)
        tokens = choose(scores if whole else scores[live], [self._chances[index] for index in live])
        for index, token in zip(live, tokens, strict=True):
            if token == BROKEN:
                self._broken.add(index)
            else:
                chosen[index] = token
                self._rows[index].add(token)
        column = torch.tensor(chosen, device=scores.device)[:, None]
        return scores.fill_(float("-inf")).scatter_(1, column, 0.0)


class Ending(StoppingCriteria):
    """Ends the rows that `choice` knows as ended; ends all rows when `watch` says so."""

    def __init__(self, choice: Choice, rows: Sequence[Row], watch: Watch) -> None:
        self._choice = choice
        self._rows = rows
        self._watch = watch

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        """(rows,) true where the row has ended."""
        self._watch.stepped(sum(len(row.generated) for row in self._rows))
        stopped = self._watch.stopped()
        ended = [stopped or self._choice.has_ended(index) for index in range(len(self._rows))]
        return torch.tensor(ended, dtype=torch.bool, device=input_ids.device)
