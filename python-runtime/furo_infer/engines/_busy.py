"""How much of its time a process computes; the rest it waits for the others of its pipeline.

On a GPU the time between two marks in its own queue counts: a transfer that the first mark comes behind is waiting.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["Busy"]


class Busy:
    """`clock` counts seconds. Time counts from the first step on."""

    def __init__(self, device: torch.device, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_gpu = device.type == "cuda"
        self._clock = clock
        self._began: float | None = None
        self._seconds = 0.0
        self._marks: deque[tuple[Any, Any]] = deque()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around what one step computes."""
        start = self._clock()
        self._began = start if self._began is None else self._began
        if not self._on_gpu:
            try:
                yield
            finally:
                self._seconds += self._clock() - start
            return
        # torch gives its constructor no types.
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]  # torch's
        first.record()
        yield
        last.record()
        self._marks.append((first, last))
        while self._marks and self._marks[0][1].query():
            first, last = self._marks.popleft()
            self._seconds += first.elapsed_time(last) / 1000

    def idle(self) -> float | None:
        """The share of time, 0 to 1, in which nothing was computed; None before the first step."""
        passed = 0.0 if self._began is None else self._clock() - self._began
        return None if passed <= 0 else max(0.0, 1 - self._seconds / passed)
