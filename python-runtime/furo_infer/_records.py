"""JSONL in and out: records with unique ids, and one whole line of results for each.

Knows three kinds of input line (own fields with a template, `prompt` or `messages`, OpenAI batch lines) and the
output line of test/fixtures/contract/results.jsonl. Does not know tokens or models. Never imports torch.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ._errors import InputError, UsageError
from ._files import LineFile, output_refused
from ._job import Generation, Job, with_overrides
from ._prompts import Conversation, PromptRefused, Render, compile_template, conversation_of, messages_of

__all__ = ["Answer", "Record", "Results", "read_records"]

SHOWN_PROBLEMS = 20
RESULTS = "results.jsonl"
SUPERSEDED = "results.superseded.jsonl"

# OpenAI's words for what a job file calls otherwise; the newer name wins where both are given.
BODY_NAMES = {
    "max_tokens": "max_new_tokens",
    "max_completion_tokens": "max_new_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "stop": "stop",
}
# The model is the job's. The others change nothing about an answer.
BODY_IGNORED = {"model", "user", "metadata", "store", "messages", "prompt", "chat_template_kwargs"}
# These ask for nothing when they have one of these values; any other value is refused, not ignored.
BODY_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "stream": (False,),
    "logprobs": (False,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
}


@dataclass(frozen=True)
class Record:
    """One line of input. Exactly one of `conversation` and `refused` is there."""

    id: str
    line: int
    conversation: Conversation | None
    refused: PromptRefused | None
    generation: Generation
    chat_template_kwargs: Mapping[str, Any]
    request_sha256: str


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


def read_records(job: Job) -> list[Record]:
    """Every record of the job's input. Raises InputError that names up to 20 bad lines at once."""
    render = None if job.prompt.template is None else compile_template(job.prompt.template)
    reader = _Reader(job, render)
    try:
        with job.input.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                reader.read(number, raw)
    except OSError as error:
        raise InputError("inputUnreadable", f"The input {job.input} cannot be read: {error.strerror}.") from error
    return reader.finish()


class _Reader:
    def __init__(self, job: Job, render: Render | None) -> None:
        self._job = job
        self._render = render
        self._records: list[Record] = []
        self._first_line: dict[str, int] = {}
        self._problems: list[str] = []

    def read(self, number: int, raw: bytes) -> None:
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if text == "":
                return
            fields = json.loads(text)
        except UnicodeDecodeError:
            self._problems.append(f"line {number}: not UTF-8 text")
            return
        except (json.JSONDecodeError, RecursionError) as error:
            where = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too deep"
            self._problems.append(f"line {number}: not valid JSON: {where}")
            return
        if not isinstance(fields, dict):
            self._problems.append(f"line {number}: not a JSON object")
            return
        problem = self._add(number, fields)
        if problem is not None:
            self._problems.append(f"line {number}: {problem}")

    def finish(self) -> list[Record]:
        job = self._job
        if self._problems:
            shown = "".join("\n  " + problem for problem in self._problems[:SHOWN_PROBLEMS])
            more = len(self._problems) - SHOWN_PROBLEMS
            rest = f"\n  ... and {more} more" if more > 0 else ""
            count = f"{len(self._problems)} line" + ("s" if len(self._problems) > 1 else "")
            raise InputError(
                "inputInvalid", f"{count} of {job.input} cannot be used:{shown}{rest}\nCorrect them and run the job again."
            )
        if not self._records:
            raise InputError("inputEmpty", f"The input {job.input} has no records. Write one JSON object per line.")
        refusals = [record.refused for record in self._records if record.refused]
        if len(refusals) == len(self._records) and refusals[0].code.startswith("template_"):
            raise InputError(
                "templateFitsNoRecord",
                f"The prompt template fits no record of {job.input}. {refusals[0].message} "
                "Correct prompt.template in the job, or the field names in the input.",
            )
        return self._records

    def _add(self, number: int, fields: dict[str, Any]) -> str | None:
        """Keeps the record, or says what makes the line unusable."""
        name = fields.get("custom_id", fields.get("id"))
        if isinstance(name, bool) or (name is not None and not isinstance(name, (str, int))) or name == "":
            return "the id must be a text or a whole number"
        identity = f"{number:06d}" if name is None else str(name)
        if not _is_unicode(identity):
            return "the id has half a character (a lone surrogate)"
        first = self._first_line.setdefault(identity, number)
        if first != number:
            return f'the id "{identity}" is already on line {first}'
        generation, kwargs = self._job.generation, self._job.chat_template_kwargs
        conversation, refused = None, None
        try:
            if "body" in fields:
                generation, kwargs = self._settings_of(fields["body"])
            conversation = self._conversation(fields)
        except PromptRefused as error:
            if error.code == "no_prompt":
                return error.message
            refused = error
        digest = _request_hash(self._job, fields, conversation, generation, kwargs)
        self._records.append(Record(identity, number, conversation, refused, generation, kwargs, digest))
        return None

    def _conversation(self, fields: Mapping[str, Any]) -> Conversation:
        source = fields["body"] if "body" in fields else fields
        if self._render is not None and "body" not in fields:
            messages = messages_of([{"role": "user", "content": self._render(fields)}])
        elif "messages" in source:
            messages = messages_of(source["messages"])
        elif isinstance(source.get("prompt"), str):
            messages = messages_of([{"role": "user", "content": source["prompt"]}])
        else:
            raise PromptRefused(
                "no_prompt", 'there is neither "messages" nor a text "prompt", and the job has no prompt template'
            )
        if not all(_is_unicode(message["content"]) for message in messages):
            raise PromptRefused("text_invalid", "The prompt has half a character (a lone surrogate).")
        return conversation_of(messages, self._job.prompt.system)

    def _settings_of(self, body: Any) -> tuple[Generation, Mapping[str, Any]]:
        """What one OpenAI batch line asks for, over the job's own settings."""
        if not isinstance(body, dict):
            raise PromptRefused("no_prompt", '"body" is not a JSON object')
        kwargs = body.get("chat_template_kwargs") or {}
        if not isinstance(kwargs, dict):
            raise PromptRefused("parameter_invalid", '"chat_template_kwargs" must be an object.')
        asked: dict[str, Any] = {}
        for name, value in body.items():
            if value is None or name in BODY_IGNORED or value in BODY_NEUTRAL.get(name, ()):
                continue
            if name not in BODY_NAMES:
                raise PromptRefused("unsupported_parameter", f'"{name}": {json.dumps(value)} is not supported.')
            if name == "max_tokens" and body.get("max_completion_tokens") is not None:
                continue
            asked[BODY_NAMES[name]] = value
        try:
            return with_overrides(self._job.generation, asked), {**self._job.chat_template_kwargs, **kwargs}
        except UsageError as error:
            raise PromptRefused("parameter_invalid", error.message) from error


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _sha256(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _request_hash(
    job: Job, fields: Mapping[str, Any], conversation: Conversation | None, generation: Generation, kwargs: Mapping[str, Any]
) -> str:
    """The same text, model and settings give the same hash; the batch size, device and paths do not count."""
    asked = list(conversation.messages) if conversation else {"refused": dict(fields), "template": job.prompt.template}
    return _sha256([job.model, job.revision, job.dtype, job.engine, asked, asdict(generation), dict(kwargs)])


class Results:
    """`<output>/results.jsonl`. What is there already is kept when it answers the very same request."""

    def __init__(self, folder: Path, records: Sequence[Record], job: Job) -> None:
        self.path = folder / RESULTS
        self._job = job
        self.done = 0
        self.failed = 0
        self.superseded = 0
        self._attempts: dict[str, int] = {}
        finished = self._take_over({record.id: record for record in records})
        self.pending = [record for record in records if record.id not in finished]
        self.superseded_path = folder / SUPERSEDED
        self._file = LineFile(self.path)

    def write(self, answers: Sequence[tuple[Record, Answer]], dtype: str) -> None:
        """Appends one line for each, in one piece, and waits for the disk."""
        self._file.append([json.dumps(self._line(*pair, dtype), ensure_ascii=False) for pair in answers])

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


def _summary(line: bytes) -> tuple[str, str, int, bool]:
    """(id, request hash, attempt, failed) of a line of results; empty id when it is none of ours."""
    try:
        value = json.loads(line)
        runtime = value["x_runtime"]
        return value["custom_id"], str(runtime["request_sha256"]), int(runtime["attempt"]), value["error"] is not None
    except (ValueError, KeyError, TypeError):
        return "", "", 0, False
