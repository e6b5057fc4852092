"""When to stop taking records, so that a job ends by itself before its elapse limit ends it.

There is no public statement of which signal PJM sends on Furo and how long it waits then; so the clock comes first and
signals second. Pure: knows seconds; does not know records, engines or signals. Never imports torch.
"""

from __future__ import annotations

import contextlib
import math
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Mapping

from ._errors import UsageError

__all__ = ["ELAPSE_SECONDS", "JOB_STARTED", "Deadline"]

# Both are set by the job script: the limit of this very job, and the epoch seconds at its first line.
ELAPSE_SECONDS = "FURO_ELAPSE_SECONDS"
JOB_STARTED = "FURO_JOB_STARTED"
# For what comes after the last record: writing, merging, ending the other processes.
MARGIN_SECONDS = 30.0
# A short limit is not eaten up by the margin.
MOST_MARGIN = 0.1
# Modules, conda and imports took 90 s on Furo before the program began; used where the start is not told.
START_UP_SECONDS = 120.0
SLOW_SHARE = 0.95
REMEMBERED = 1000


class Deadline:
    """The end of this job, `remaining_seconds` from now by `clock`, or none when that is None.

    `margin_seconds` are kept free before it. The time that a record may need is learned from those that ended: 95 of
    100 of the last thousand took no longer."""

    def __init__(
        self,
        remaining_seconds: float | None,
        margin_seconds: float = MARGIN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.margin_seconds = margin_seconds
        self._clock = clock
        self._end = None if remaining_seconds is None else clock() + remaining_seconds
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self._closed = False

    @classmethod
    def of(
        cls,
        elapse_seconds: float | None,
        environment: Mapping[str, str],
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> Deadline:
        """From the job file's limit, which the environment's overrules, and the start of the job. `wall_clock` gives
        epoch seconds. Raises UsageError when a variable is no number."""
        limit = _seconds(environment, ELAPSE_SECONDS) or elapse_seconds
        if limit is None:
            return cls(None, clock=clock)
        started = _seconds(environment, JOB_STARTED)
        passed = min(START_UP_SECONDS, MOST_MARGIN * limit) if started is None else max(0.0, wall_clock() - started)
        return cls(limit - passed, min(MARGIN_SECONDS, MOST_MARGIN * limit), clock)

    @property
    def remaining(self) -> float | None:
        """Seconds until the job is ended, below zero after that; None without a limit."""
        return None if self._end is None else self._end - self._clock()

    @property
    def record_seconds(self) -> float:
        """The 95th percentile of what records took; 0 before the first has ended."""
        if not self._sorted:
            return 0.0
        return self._sorted[min(len(self._sorted) - 1, int(SLOW_SHARE * len(self._sorted)))]

    def learn(self, seconds: float) -> None:
        """A record ended that took `seconds` from its start."""
        self._recent.append(seconds)
        insort(self._sorted, seconds)
        if len(self._recent) > REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]

    def may_admit(self, expected_seconds: float = 0.0) -> bool:
        """Whether a record that may take `expected_seconds` or as long as others did will end in time. Once a usual
        one does not fit, none is admitted any more."""
        remaining = self.remaining
        if remaining is None:
            return True
        self._closed = self._closed or remaining < self.record_seconds + self.margin_seconds
        return not self._closed and remaining >= expected_seconds + self.margin_seconds

    @property
    def closed(self) -> bool:
        """Whether admission has ended for good. What is in flight may still end."""
        self.may_admit()
        return self._closed

    @property
    def must_leave(self) -> bool:
        """Whether only the margin is left: what is in flight is to be dropped, and done by the next job."""
        remaining = self.remaining
        return remaining is not None and remaining < self.margin_seconds


def _seconds(environment: Mapping[str, str], name: str) -> float | None:
    text = environment.get(name, "").strip()
    if not text or text == "unlimited":
        return None
    with contextlib.suppress(ValueError):
        seconds = float(text)
        if 0 <= seconds < math.inf:
            return seconds
    raise UsageError("deadlineInvalid", f"{name} is {text!r}, which is no number of seconds. Unset it or correct it.")
