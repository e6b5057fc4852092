"""One row of a batch: what a record has been answered so far, when its answer ends, and how its next token is drawn.

Rows never look at each other, so that the batch a record happens to be in changes nothing about its answer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Protocol

import torch

from .._job import Generation
from .._results import Answer
from ._tokens import Tokens
from .base import Request

__all__ = ["BROKEN", "Chance", "Matcher", "Row", "choose", "failed"]

# Stands for a token where the scores were not finite (float16 overflows on some models).
BROKEN = -1


class Matcher(Protocol):
    """Restricts the tokens of one row, for answers in a given form."""

    def mask(self, logits: torch.Tensor) -> None:
        """Sets the scores (vocabulary,) of tokens that may not come next to minus infinity, in place."""
        ...

    def accept(self, token: int) -> None: ...


class Row:
    """Collects the tokens of one answer and says when it has ended."""

    def __init__(self, request: Request, tokens: Tokens) -> None:
        self.request = request
        self.generated: list[int] = []
        self.reason: str | None = None
        self.has_turned = False  # its tokens have been computed anew in their new positions
        self._tokens = tokens
        self._limit = tokens.limit(request)
        self._stops = request.record.generation.stop
        # A token holds at least one byte, so the text of a stop that ends here lies in this many tokens.
        self._reach = max((len(stop.encode("utf-8")) for stop in self._stops), default=0) + 4
        self._started = time.monotonic()

    @property
    def length(self) -> int:
        """Tokens of prompt and answer that the model has seen or is about to see."""
        return self.request.tokens + len(self.generated)

    @property
    def longest(self) -> int:
        """The most tokens that this row can ever hold."""
        return self.request.tokens + self._limit

    def add(self, token: int) -> str | None:
        """Takes the next token; "stop" or "length" when the answer ends with it."""
        self.generated.append(token)
        if token in self._tokens.end_tokens or (self._stops and self._has_stop()):
            self.reason = "stop"
        elif len(self.generated) >= self._limit:
            self.reason = "length"
        return self.reason

    def answer(self, notes: tuple[str, ...] = ()) -> Answer:
        said = [token for token in self.generated if token not in self._tokens.end_tokens]
        text = self._tokens.decode(said)
        cuts = [text.find(stop) for stop in self._stops if stop in text]
        return Answer(
            text=text[: min(cuts)] if cuts else text,
            finish_reason="stop" if cuts else self.reason or "length",
            error=None,
            prompt_text=self.request.text,
            prompt_tokens=self.request.tokens,
            completion_tokens=len(self.generated),
            seconds=time.monotonic() - self._started,
            notes=notes,
        )

    def _has_stop(self) -> bool:
        text = self._tokens.decode(self.generated[-self._reach :])
        return any(stop in text for stop in self._stops)


class Chance:
    """How one record's tokens are drawn. The random numbers come from (seed, id) alone: the same whatever the
    batch, the layout, or the run that goes on with it."""

    def __init__(self, identity: str, wish: Generation, matcher: Matcher | None = None) -> None:
        self.wish = wish
        self.matcher = matcher
        self._random = random.Random(f"{wish.seed}:{identity}")

    def number(self) -> float:
        return self._random.random()


def choose(logits: torch.Tensor, chances: Sequence[Chance]) -> list[int]:
    """logits: (rows, vocabulary) in float32, changed in place -> one token a row, BROKEN where they are not finite.

    Greedy where the temperature is 0; otherwise one draw by inverting the cumulative distribution.
    """
    # One reduction finds both NaN and plus infinity; minus infinity is a forbidden token and stays allowed.
    sound = torch.isfinite(logits.amax(dim=-1)).tolist()
    for index, chance in enumerate(chances):
        if chance.matcher is not None and sound[index]:
            chance.matcher.mask(logits[index])
    tokens = logits.argmax(dim=-1)
    drawn = [index for index, chance in enumerate(chances) if chance.wish.temperature > 0 and sound[index]]
    if drawn:
        rows = torch.tensor(drawn, device=logits.device)
        tokens[rows] = _draw(logits[rows], [chances[index] for index in drawn])
    chosen = [token if sound[index] else BROKEN for index, token in enumerate(tokens.tolist())]
    for chance, token in zip(chances, chosen, strict=True):
        if chance.matcher is not None and token != BROKEN:
            chance.matcher.accept(token)
    return chosen


def _draw(scores: torch.Tensor, chances: Sequence[Chance]) -> torch.Tensor:
    """scores: (rows, vocabulary) -> (rows,) tokens, after temperature, top-k and top-p in this order."""
    device = scores.device
    temperature = torch.tensor([[chance.wish.temperature] for chance in chances], device=device)
    top_p = torch.tensor([[chance.wish.top_p] for chance in chances], device=device)
    top_k = torch.tensor([[chance.wish.top_k or 2**31] for chance in chances], device=device)
    ordered, tokens = (scores / temperature).sort(dim=-1, descending=True, stable=True)
    shares = ordered.softmax(dim=-1)
    rank = torch.arange(shares.shape[-1], device=device)
    before = shares.cumsum(dim=-1) - shares
    dropped = (rank >= top_k) | (before >= top_p)
    dropped[:, 0] = False
    kept = shares.masked_fill(dropped, 0.0).cumsum(dim=-1)
    uniform = torch.tensor([[chance.number()] for chance in chances], device=device)
    at = (kept <= uniform * kept[:, -1:]).sum(dim=-1, keepdim=True)
    last = (~dropped).sum(dim=-1, keepdim=True) - 1
    return tokens.gather(-1, torch.minimum(at, last)).squeeze(-1)


def failed(request: Request, code: str, message: str) -> Answer:
    """The answer of a record that could not be answered."""
    return Answer(None, "error", (code, message), request.text, request.tokens, 0, 0.0)
