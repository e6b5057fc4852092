"""Progress: `<output>/progress.jsonl` for programs, a few lines on stdout for people.

Knows the event lines of test/fixtures/contract/progress.jsonl; does not know models. Never imports torch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ._files import LineFile

__all__ = ["Counts", "Events", "say", "warn"]

VERSION = 1
EVENT_INTERVAL_SECONDS = 1.0
# Three or four lines a minute: enough to see it live, few enough to read a day later.
SAY_INTERVAL_SECONDS = 15.0


def say(text: str) -> None:
    """One line for people, in the job's output at once."""
    print(text, flush=True)


def warn(text: str) -> None:
    print(f"furo_infer: warning: {text}", flush=True)


@dataclass
class Counts:
    """`done` answered, `failed` with an error record; both include what an earlier run left."""

    total: int
    done: int = 0
    failed: int = 0
    tokens: int = 0

    @property
    def ended(self) -> int:
        return self.done + self.failed


class Events:
    """Writes events. `clock` counts seconds and never goes back."""

    def __init__(self, file: LineFile, counts: Counts, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self.counts = counts
        self._clock = clock
        self._generating_since: float | None = None
        self._ended_before = 0
        self._end: float | None = None
        self._last_event = float("-inf")
        self._last_said = float("-inf")

    def emit(self, event: str, **values: Any) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"version": VERSION, "event": event, "time": now, **values}
        self._file.append([json.dumps(line, ensure_ascii=False, separators=(",", ":"))], durable=False)

    def start_generating(self) -> None:
        self._generating_since = self._last_said = self._clock()
        self._ended_before = self.counts.ended

    def progress(self, tokens_in_flight: int = 0, *, batch_ended: bool = False) -> None:
        """Tells how far we are; often enough to call at every token, it keeps its own pace."""
        now = self._clock()
        if not batch_ended and now - self._last_event < EVENT_INTERVAL_SECONDS:
            return
        self._last_event = now
        if batch_ended:
            self._end = self._estimated_end(now)
        counts = self.counts
        eta = None if self._end is None else round(max(0.0, self._end - now), 1)
        rate = self.tokens_per_second(tokens_in_flight)
        self.emit(
            "progress",
            done=counts.done,
            failed=counts.failed,
            total=counts.total,
            tokens=counts.tokens + tokens_in_flight,
            tokens_per_second=rate,
            eta_seconds=eta,
        )
        if now - self._last_said >= SAY_INTERVAL_SECONDS:
            self._last_said = now
            left = "" if eta is None else f", about {_duration(eta)} left"
            say(f"{counts.ended}/{counts.total} records, {counts.failed} failed, {rate:g} tokens/s{left}")

    def tokens_per_second(self, tokens_in_flight: int = 0) -> float:
        seconds = self.generating_seconds()
        return round((self.counts.tokens + tokens_in_flight) / seconds, 1) if seconds > 0 else 0.0

    def generating_seconds(self) -> float:
        return 0.0 if self._generating_since is None else self._clock() - self._generating_since

    def _estimated_end(self, now: float) -> float | None:
        """From the records that this run has ended; asked when a batch ends, so that it does not jump in between."""
        ended = self.counts.ended - self._ended_before
        if ended == 0 or self._generating_since is None:
            return None
        each = (now - self._generating_since) / ended
        return now + each * (self.counts.total - self.counts.ended)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
