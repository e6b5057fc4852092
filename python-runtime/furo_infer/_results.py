"""JSONL out: `<output>/results.jsonl`, one whole line for each record, in the order of computing.

Knows the line of test/fixtures/contract/results.jsonl and which lines of an earlier run still hold. Does not know
how answers are made. Never imports torch.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._files import LineFile, output_refused
from ._job import Job
from ._records import Record

__all__ = ["Answer", "Results"]

RESULTS = "results.jsonl"
SUPERSEDED = "results.superseded.jsonl"


@dataclass(frozen=True)
class Answer:
    """What came of one record. Exactly one of `text` and `error` (code, message) is there."""

    text: str | None
    finish_reason: str
    error: tuple[str, str] | None
    prompt_text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float


class Results:
    """`<output>/results.jsonl`. What is there already is kept when it answers the very same request."""

    def __init__(self, folder: Path, records: Sequence[Record], job: Job) -> None:
        self.path = folder / RESULTS
        self.superseded_path = folder / SUPERSEDED
        self._job = job
        self.done = 0
        self.failed = 0
        self.superseded = 0
        self._attempts: dict[str, int] = {}
        finished = self._take_over({record.id: record for record in records})
        self.pending = [record for record in records if record.id not in finished]
        self._file = LineFile(self.path)

    def write(self, answers: Sequence[tuple[Record, Answer]], dtype: str) -> None:
        """Appends one line for each, in one piece, and waits for the disk."""
        self._file.append([_json(self._line(*pair, dtype)) for pair in answers])

    def close(self) -> None:
        self._file.close()

    def _line(self, record: Record, answer: Answer, dtype: str) -> dict[str, Any]:
        usage = {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        }
        message = {"role": "assistant", "content": answer.text}
        choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
        body = {"model": self._job.model, "choices": [choice], "usage": usage}
        response = {"status_code": 200, "request_id": record.id, "body": body}
        error = None if answer.error is None else {"code": answer.error[0], "message": answer.error[1]}
        return {
            "id": f"furo-{record.id}",
            "custom_id": record.id,
            "response": response if error is None else None,
            "error": error,
            "x_runtime": {
                "prompt_sha256": hashlib.sha256(answer.prompt_text.encode("utf-8")).hexdigest(),
                "request_sha256": record.request_sha256,
                "prompt": record.conversation.shown if record.conversation else "",
                "line": record.line,
                "dtype": dtype,
                "seed": record.generation.seed,
                "seconds": round(answer.seconds, 3),
                "attempt": self._attempts.get(record.id, 0) + 1,
            },
        }

    def _take_over(self, records: Mapping[str, Record]) -> set[str]:
        """The ids that need no more work. Lines that answer another request go to results.superseded.jsonl."""
        finished: set[str] = set()
        kept: list[bytes] = []
        superseded: list[str] = []
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1] if self.path.exists() else []
        except OSError as error:
            raise output_refused(self.path, error) from error
        for line in lines:
            identity, digest, attempt, failed = _summary(line)
            record = records.get(identity)
            if record is None or record.request_sha256 != digest or identity in finished:
                superseded.append(line.decode("utf-8", "replace"))
                self._attempts[identity] = max(attempt, self._attempts.get(identity, 0))
                continue
            finished.add(identity)
            kept.append(line + b"\n")
            self.failed += failed
            self.done += not failed
        if superseded:
            self.superseded = len(superseded)
            self._set_aside(kept, superseded)
        return finished

    def _set_aside(self, kept: Sequence[bytes], superseded: Sequence[str]) -> None:
        with LineFile(self.superseded_path) as aside:
            aside.append(superseded)
        temporary = self.path.with_name(RESULTS + ".tmp")
        try:
            with temporary.open("wb") as file:
                file.writelines(kept)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except OSError as error:
            raise output_refused(temporary, error) from error


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _summary(line: bytes) -> tuple[str, str, int, bool]:
    """(id, request hash, attempt, failed) of a line of results; empty id when it is none of ours."""
    try:
        value = json.loads(line)
        runtime = value["x_runtime"]
        return value["custom_id"], str(runtime["request_sha256"]), int(runtime["attempt"]), value["error"] is not None
    except (ValueError, KeyError, TypeError):
        return "", "", 0, False
