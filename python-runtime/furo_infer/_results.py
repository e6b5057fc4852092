"""JSONL out: one whole line for each record, appended to this replica's shard in the order of computing.

Knows the line of test/fixtures/contract/results.jsonl. Which lines of an earlier run still hold is `_shards`' part,
how answers are made the engines'. Never imports torch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ._files import LineFile
from ._job import Job
from ._merge import Catalog, merge_results
from ._records import Record
from ._shards import RESULTS, SUPERSEDED, json_line, lock_shards, shard_name

__all__ = ["RESULTS", "Answer", "Results", "merge_results"]

# A line is handed to the system at once, so a killed process loses none; a machine that dies loses this much at most.
SYNC_SECONDS = 2.0


@dataclass(frozen=True)
class Answer:
    """What came of one record. Exactly one of `text` and `error` (code, message) is there.

    `text` is the answer alone, without the prompt; `reasoning` what the model thought before it, where the two can be
    told apart. `notes` are words for programs about how it came to be, such as "redone_in_float32"."""

    text: str | None
    finish_reason: str
    error: tuple[str, str] | None
    prompt_text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    notes: tuple[str, ...] = ()
    reasoning: str | None = None


class Results:
    """The shard of replica number `replica`. What is there already is kept when it answers the very same request.

    Replica 0 is made first, and before any other begins: it brings what a killed run left into one file and sets aside
    what no longer holds. The others change nothing but their own shard, and may be given no records when replica 0
    hands out the work."""

    def __init__(self, folder: Path, records: Sequence[Record], job: Job, replica: int = 0) -> None:
        self.path = folder / shard_name(replica)
        self.superseded_path = folder / SUPERSEDED
        self._job = job
        self._backend, self._plan = job.backend, "1x1x1"
        self.superseded = 0
        if replica == 0:
            with lock_shards(folder):
                catalog = Catalog(folder, records)
                self.superseded = catalog.merge(ordered=False).superseded
        else:
            catalog = Catalog(folder, records, paths=None if records else ())
        self.failed = catalog.failed
        self.done = catalog.lines - catalog.failed
        self._attempts = catalog.attempts
        self.pending = [record for slot, record in enumerate(records) if not catalog.holds(slot)]
        self._file = LineFile(self.path, locked=True)
        self._closed = False
        self._synced = time.monotonic()

    def made_with(self, backend: str, plan: str) -> None:
        """What the lines from now on say about their making; `plan` as "replicas x stages x tensor-parallel parts",
        such as "2x1x4"."""
        self._backend, self._plan = backend, plan

    def write(self, answers: Sequence[tuple[Record, Answer]], dtype: str) -> None:
        """Appends one line for each, in one piece. Raises OutputError."""
        now = time.time()
        due = time.monotonic() - self._synced >= SYNC_SECONDS
        self._file.append([json_line(self._line(*pair, dtype, now)) for pair in answers], durable=due)
        if due:
            self._synced = time.monotonic()

    def close(self) -> None:
        """Waits for the disk and lets others write. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._file.sync()
        finally:
            self._file.close()

    def _line(self, record: Record, answer: Answer, dtype: str, now: float) -> dict[str, Any]:
        error = None if answer.error is None else {"code": answer.error[0], "message": answer.error[1]}
        return {
            "id": f"furo-{record.id}",
            "custom_id": record.id,
            "response": self._response(record, answer) if error is None else None,
            "error": error,
            "x_runtime": {
                "prompt_sha256": hashlib.sha256(answer.prompt_text.encode("utf-8")).hexdigest(),
                "request_sha256": record.request_sha256,
                "prompt": record.conversation.shown if record.conversation else "",
                "line": record.line,
                "backend": self._backend,
                "plan": self._plan,
                "dtype": dtype,
                "seed": record.generation.seed,
                "started": _iso(now - answer.seconds),
                "seconds": round(answer.seconds, 3),
                "attempt": self._attempts.get(record.id, 0) + 1,
                "truncated": False,  # A prompt is never cut: one that is too long becomes an error.
                "notes": list(answer.notes),
            },
        }

    def _response(self, record: Record, answer: Answer) -> dict[str, Any]:
        usage = {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        }
        message = {"role": "assistant", "content": answer.text}
        if answer.reasoning is not None:
            message["reasoning_content"] = answer.reasoning
        choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
        body = {"model": self._job.model, "choices": [choice], "usage": usage}
        return {"status_code": 200, "request_id": record.id, "body": body}


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
