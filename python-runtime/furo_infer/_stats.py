"""What a folder of results says as a whole: counts, tokens, speed, percentiles. Reads line by line and keeps numbers,
no texts. Knows the lines of test/fixtures/contract/results.jsonl; does not know how they are shown. Never imports
torch.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ._shards import shard_paths, whole_lines

__all__ = ["THINKING_CUT", "Stats", "read_stats"]

# The note of an answer that reached max_new_tokens before the model had ended its thinking.
THINKING_CUT = "ended_inside_thinking"
PERCENTS = {"min": 0, "p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}


@dataclass
class Stats:
    """Of several lines with one id the first counts; only a merge that was killed leaves more, and they are equal.

    `busy_seconds` is the time in which at least one of the records was being computed, so that pauses between runs do
    not count; `tokens_per_second` is over it. Lengths are in tokens, `seconds` those of single records; each maps
    min, p50, p90, p95, p99 and max, and is empty when nothing was answered."""

    records: int = 0
    failed: int = 0
    unreadable: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    at_limit: int = 0
    truncated_thinking: int = 0
    busy_seconds: float = 0.0
    finish_reasons: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    prompt_lengths: Mapping[str, float] = field(default_factory=dict)
    answer_lengths: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        return self.records - self.failed

    @property
    def tokens_per_second(self) -> float:
        return round(self.completion_tokens / self.busy_seconds, 1) if self.busy_seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Every number under its own name; nothing else."""
        names = ["records", "answered", "failed", "unreadable", "prompt_tokens", "completion_tokens", "at_limit"]
        names += ["truncated_thinking", "busy_seconds", "tokens_per_second"]
        counters = ("finish_reasons", "errors", "notes", "prompt_lengths", "answer_lengths", "seconds")
        return {name: getattr(self, name) for name in names} | {name: dict(getattr(self, name)) for name in counters}


def read_stats(folder: Path) -> Stats:
    """Reads every shard in `folder`. Raises OutputError when one cannot be read."""
    reader = _Reader()
    for path in shard_paths(folder):
        for _, line in whole_lines(path):
            reader.read(line)
    return reader.finish()


class _Reader:
    def __init__(self) -> None:
        self.stats = Stats()
        self._seen: set[str] = set()
        self._prompts, self._answers = array("q"), array("q")
        self._seconds = array("d")
        self._spans: list[tuple[float, float]] = []

    def read(self, text: bytes) -> None:
        try:
            line = json.loads(text)
            identity, runtime, error = str(line["custom_id"]), line["x_runtime"], line["error"]
            notes = tuple(runtime.get("notes", ()))
            if identity in self._seen:
                return
            if error is None:
                self._read_answer(line["response"]["body"], runtime, notes)
            else:
                self.stats.errors[str(error["code"])] += 1
                self.stats.failed += 1
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            self.stats.unreadable += 1
            return
        self._seen.add(identity)
        self.stats.records += 1
        self.stats.notes.update(notes)

    def _read_answer(self, body: Mapping[str, Any], runtime: Mapping[str, Any], notes: tuple[str, ...]) -> None:
        choice, usage = body["choices"][0], body["usage"]
        message, reason = choice["message"], str(choice["finish_reason"])
        prompt, answer = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
        seconds = float(runtime["seconds"])
        start = _epoch(runtime.get("started"))
        only_thought = bool(message.get("reasoning_content")) and not message.get("content")
        self.stats.finish_reasons[reason] += 1
        self.stats.at_limit += reason == "length"
        self.stats.truncated_thinking += THINKING_CUT in notes or (reason == "length" and only_thought)
        self._prompts.append(prompt)
        self._answers.append(answer)
        self._seconds.append(seconds)
        if start is not None:
            self._spans.append((start, start + seconds))

    def finish(self) -> Stats:
        stats = self.stats
        stats.prompt_tokens, stats.completion_tokens = sum(self._prompts), sum(self._answers)
        stats.prompt_lengths = _percentiles(self._prompts)
        stats.answer_lengths = _percentiles(self._answers)
        stats.seconds = _percentiles(self._seconds)
        stats.busy_seconds = round(_covered(self._spans), 3)
        return stats


def _epoch(iso: Any) -> float | None:
    return None if iso is None else datetime.fromisoformat(str(iso).replace("Z", "+00:00")).timestamp()


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    """By nearest rank, so that each is a value that occurs."""
    ordered = sorted(values)
    if not ordered:
        return {}
    return {name: ordered[max(0, -(-len(ordered) * percent // 100) - 1)] for name, percent in PERCENTS.items()}
