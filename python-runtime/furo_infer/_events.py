"""Progress: `<output>/progress.jsonl` for programs, a few lines on stdout for people.

Knows the event lines of test/fixtures/contract/progress.jsonl; does not know models. Never imports torch.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ._errors import EXIT_INTERRUPTED, OutputError
from ._files import LineFile

__all__ = ["Counts", "Events", "say", "warn"]

VERSION = 1
EVENT_INTERVAL_SECONDS = 1.0
# Three or four lines a minute: enough to see it live, few enough to read a day later.
SAY_INTERVAL_SECONDS = 15.0
RATE_SECONDS = 60.0


def say(text: str) -> None:
    """One line for people, in the job's output at once."""
    print(text, flush=True)


def warn(text: str) -> None:
    print(f"furo_infer: warning: {text}", flush=True)


@dataclass
class Counts:
    """`done` answered, `failed` with an error record; both include what an earlier run left. `tokens` were generated
    and `tokens_in` read as prompts by this run."""

    total: int
    done: int = 0
    failed: int = 0
    tokens: int = 0
    tokens_in: int = 0

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
        self._rate: float | None = None
        self._last_tokens = 0
        self._measured: dict[str, Any] = {}

    def emit(self, event: str, **values: Any) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"version": VERSION, "event": event, "time": now, **values}
        self._file.append([json.dumps(line, ensure_ascii=False, separators=(",", ":"))], durable=False)

    def start_generating(self) -> None:
        self._generating_since = self._last_said = self._clock()
        self._ended_before = self.counts.ended

    def measured(self, peak_memory_bytes: int | None = None, stage_idle: Sequence[float] | None = None) -> None:
        """From now on `progress` tells these too: the highest use of memory by one device so far, and for each stage
        of the pipeline the share of time, 0 to 1, in which it waited."""
        if peak_memory_bytes is not None:
            self._measured["peak_memory_bytes"] = peak_memory_bytes
        if stage_idle is not None:
            self._measured["stage_idle"] = [round(share, 3) for share in stage_idle]

    def progress(self, tokens_in_flight: int = 0, *, batch_ended: bool = False) -> None:
        """Tells how far we are; often enough to call at every token, it keeps its own pace."""
        now = self._clock()
        if batch_ended:
            self._end = self._estimated_end(now)
        if now - self._last_event < EVENT_INTERVAL_SECONDS:
            return
        counts = self.counts
        eta = None if self._end is None else round(max(0.0, self._end - now), 1)
        rate = self._recent_rate(now, counts.tokens + tokens_in_flight)
        self._last_event = now
        self.emit(
            "progress",
            done=counts.done,
            failed=counts.failed,
            total=counts.total,
            tokens=counts.tokens + tokens_in_flight,
            tokens_in=counts.tokens_in,
            tokens_per_second=rate,
            eta_seconds=eta,
            **self._measured,
        )
        if now - self._last_said >= SAY_INTERVAL_SECONDS:
            self._last_said = now
            left = "" if eta is None else f", about {_duration(eta)} left"
            say(f"{counts.ended}/{counts.total} records, {counts.failed} failed, {rate:g} tokens/s{left}")

    def interrupted(self, signal_name: str) -> None:
        counts = self.counts
        self.emit(
            "interrupted",
            done=counts.done,
            failed=counts.failed,
            total=counts.total,
            signal=signal_name,
            exit_code=EXIT_INTERRUPTED,
        )
        say(
            f"Stopped by {signal_name} with {counts.ended} of {counts.total} records done. "
            "Run the same job again to go on."
        )

    def failed(self, reason: str, message: str, exit_code: int) -> None:
        try:
            self.emit("failed", reason=reason, message=message, exit_code=exit_code)
        except OutputError:
            return  # A full disk is why we end; the message on stderr and the exit code still tell it.

    def tokens_per_second(self, tokens_in_flight: int = 0) -> float:
        seconds = self.generating_seconds()
        return round((self.counts.tokens + tokens_in_flight) / seconds, 1) if seconds > 0 else 0.0

    def generating_seconds(self) -> float:
        return 0.0 if self._generating_since is None else self._clock() - self._generating_since

    def _recent_rate(self, now: float, tokens: int) -> float:
        """Tokens per second, what lies a minute back counting a third as much as now; at first the mean so far."""
        if self._rate is None:
            self._rate = self.tokens_per_second(tokens - self.counts.tokens)
        else:
            passed = now - self._last_event
            kept = math.exp(-passed / RATE_SECONDS)
            self._rate = kept * self._rate + (1 - kept) * max(0, tokens - self._last_tokens) / passed
        self._last_tokens = tokens
        return round(self._rate, 1)

    def _estimated_end(self, now: float) -> float | None:
        """From the records that this run has ended; asked when one ends, so that it does not jump in between."""
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
