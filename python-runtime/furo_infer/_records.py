"""JSONL in: records with unique ids.

Knows three kinds of line: own fields with a template, `prompt` or `messages`, OpenAI batch lines. Does not know
tokens, models or results. Never imports torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ._errors import InputError, UsageError
from ._job import Generation, Job, with_overrides
from ._prompts import Conversation, PromptRefused, Render, compile_template, conversation_of, messages_of

__all__ = ["Record", "read_records"]

SHOWN_PROBLEMS = 20

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
                "inputInvalid",
                f"{count} of {job.input} cannot be used:{shown}{rest}\nCorrect them and run the job again.",
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
        asked = conversation.messages if conversation else [fields, self._job.prompt.template]
        digest = _request_hash(self._job, asked, generation, kwargs)
        self._records.append(Record(identity, number, conversation, refused, generation, kwargs, digest))
        return None

    def _conversation(self, fields: Mapping[str, Any]) -> Conversation:
        source = fields.get("body", fields)
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
    job: Job,
    asked: Any,
    generation: Generation,
    kwargs: Mapping[str, Any],
) -> str:
    """The same text, model and settings give the same hash; the batch size, device and paths do not count."""
    return _sha256([job.model, job.revision, job.dtype, job.engine, asked, asdict(generation), dict(kwargs)])
