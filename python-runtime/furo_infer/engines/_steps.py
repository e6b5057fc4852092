"""What happens at every token, for each row by itself: choosing the token, and deciding that the row has ended.

Knows tensors of scores and tokens; does not know models. Rows never look at each other, so that the batch a
record happens to be in changes nothing about its answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import LogitsProcessor, StoppingCriteria

from .._job import Generation
from .base import Watch

__all__ = ["Ending", "Sampler", "Stopper"]


@dataclass(frozen=True)
class Ending:
    """`tokens` were generated, the end token included; `reason` is "stop" or "length"."""

    tokens: int
    reason: str


class Sampler(LogitsProcessor):
    """Draws the next token of rows with a temperature and leaves it as the only one possible.

    Every row has its own random numbers from (seed, id): the same whatever the batch, and after a resume.
    """

    def __init__(self, rows: Sequence[tuple[str, Generation]], device: torch.device) -> None:
        sampled = [(index, identity, wish) for index, (identity, wish) in enumerate(rows) if wish.temperature > 0]
        self._rows = torch.tensor([index for index, _, _ in sampled], dtype=torch.long, device=device)
        self._random = [random.Random(f"{wish.seed}:{identity}") for _, identity, wish in sampled]
        self._temperature = torch.tensor([[wish.temperature] for _, _, wish in sampled], device=device)
        self._top_p = torch.tensor([[wish.top_p] for _, _, wish in sampled], device=device)
        self._top_k = torch.tensor([[wish.top_k or 2**31] for _, _, wish in sampled], device=device)
        self._broken = torch.zeros(len(rows), dtype=torch.bool, device=device)

    def broken_rows(self) -> set[int]:
        """Rows whose scores were once NaN or infinite (float16 overflows on some models)."""
        return {index for index, broken in enumerate(self._broken.tolist()) if broken}

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """scores: (rows, vocabulary) -> the same, with one finite score in each sampled row."""
        self._broken |= scores.isnan().any(dim=-1) | scores.isposinf().any(dim=-1)
        if not self._random:
            return scores
        chosen = self._draw(scores[self._rows].float())
        scores = scores.clone()
        scores[self._rows] = float("-inf")
        scores[self._rows, chosen] = 0.0
        return scores

    def _draw(self, scores: torch.Tensor) -> torch.Tensor:
        """One token a row by inverting the cumulative distribution at one uniform number."""
        ordered, tokens = (scores / self._temperature).sort(dim=-1, descending=True, stable=True)
        chances = ordered.softmax(dim=-1)
        rank = torch.arange(chances.shape[-1], device=chances.device)
        before = chances.cumsum(dim=-1) - chances
        dropped = (rank >= self._top_k) | (before >= self._top_p)
        dropped[:, 0] = False
        kept = chances.masked_fill(dropped, 0.0).cumsum(dim=-1)
        uniform = torch.tensor([[own.random()] for own in self._random], device=chances.device)
        at = (kept <= uniform * kept[:, -1:]).sum(dim=-1, keepdim=True)
        last = (~dropped).sum(dim=-1, keepdim=True) - 1
        return tokens.gather(-1, torch.minimum(at, last)).squeeze(-1)


class Stopper(StoppingCriteria):
    """Ends a row at an end token, at its own limit, at a stop text; ends all rows when `watch` says so."""

    def __init__(
        self,
        limits: Sequence[int],
        end_tokens: frozenset[int],
        stops: Sequence[tuple[str, ...]],
        decode: Callable[[Sequence[int]], str],
        prompt_width: int,
        watch: Watch,
    ) -> None:
        self._limits = limits
        self._end_tokens = end_tokens
        self._stops = stops
        self._decode = decode
        self._prompt_width = prompt_width
        self._watch = watch
        self.endings: list[Ending | None] = [None] * len(limits)

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        step = input_ids.shape[1] - self._prompt_width
        for row, token in enumerate(input_ids[:, -1].tolist()):
            if self.endings[row] is None:
                self.endings[row] = self._ending(row, token, step, input_ids)
        self._watch.stepped(sum(ending.tokens if ending else step for ending in self.endings))
        stopped = self._watch.stopped()
        ended = [stopped or ending is not None for ending in self.endings]
        return torch.tensor(ended, dtype=torch.bool, device=input_ids.device)

    def _ending(self, row: int, token: int, step: int, input_ids: torch.Tensor) -> Ending | None:
        if token in self._end_tokens:
            return Ending(step, "stop")
        stops = self._stops[row]
        if stops:
            # A token holds at least one byte, so the text of a stop that ends here lies in this many tokens.
            reach = max(len(stop.encode("utf-8")) for stop in stops) + 4
            said = input_ids[row, max(self._prompt_width, input_ids.shape[1] - reach) :].tolist()
            text = self._decode(said)
            if any(stop in text for stop in stops):
                return Ending(step, "stop")
        return Ending(step, "length") if step >= self._limits[row] else None
