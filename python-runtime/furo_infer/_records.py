"""JSONL in: records with unique ids.

Knows three kinds of line: own fields with a template, `prompt` or `messages`, OpenAI batch lines. Does not know
tokens, models or results. Never imports torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ._errors import InputError, UsageError
from ._job import Generation, Job, with_overrides
from ._prompts import Conversation, PromptRefused, Render, compile_template, conversation_of, load_function, messages_of

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
BODY_IGNORED = {"model", "user", "metadata", "store", "messages", "prompt", "chat_template_kwargs", "response_format"}
# What a batch line may name: OpenAI's two ways to complete a text.
BATCH_URLS = ("/v1/chat/completions", "/v1/completions")
FORMATS = ("text", "json_object", "json_schema")
# These ask for nothing when they have one of these values; any other value is refused, not ignored.
BODY_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "stream": (False,),
    "logprobs": (False,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
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
    response_format: Mapping[str, Any] | None = None


def read_records(job: Job) -> list[Record]:
    """Every record of the job's input, lines that cannot be used as refused ones. Raises InputError, which names up to
    20 lines at once, where ids are doubled or no line can be used."""
    prompt = job.prompt
    if prompt.template is not None and prompt.function is not None:
        raise UsageError("promptUnclear", "The job has both prompt.template and prompt.function; remove one of them.")
    render: Render | None = None
    if prompt.template is not None:
        render = compile_template(prompt.template)
    elif prompt.function is not None:
        render = load_function(prompt.function)
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
        # What is in the function's file counts in the request, so that a changed function asks anew.
        file = (job.prompt.function or "").rpartition(":")[0]
        self._function_sha256 = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None
        self._unusable: list[str] = []
        self._doubled: list[str] = []

    def read(self, number: int, raw: bytes) -> None:
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if text == "":
                return
            fields = json.loads(text)
        except UnicodeDecodeError:
            self._refuse(number, raw, "not UTF-8 text")
            return
        except (json.JSONDecodeError, RecursionError) as error:
            where = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too deep"
            self._refuse(number, raw, f"not valid JSON: {where}")
            return
        problem = self._add(number, fields) if isinstance(fields, dict) else "not a JSON object"
        if problem is not None:
            self._refuse(number, raw, problem)

    def _refuse(self, number: int, raw: bytes, problem: str) -> None:
        """An unusable line is a failed record under its number: one of a thousand must not cost the others their
        place in the queue."""
        self._unusable.append(f"line {number}: {problem}")
        identity = f"line-{number:06d}"  # no number of a record, so that it is nobody's id
        if self._take_identity(identity, number):
            refused = PromptRefused("line_invalid", f"Line {number} of the input cannot be used: {problem}.")
            digest = _sha256(["line", hashlib.sha256(raw).hexdigest()])
            self._records.append(Record(identity, number, None, refused, self._job.generation, {}, digest))

    def _take_identity(self, identity: str, number: int) -> bool:
        first = self._first_line.setdefault(identity, number)
        if first != number:
            self._doubled.append(f'line {number}: the id "{identity}" is already on line {first}')
        return first == number

    def finish(self) -> list[Record]:
        job = self._job
        usable = len(self._records) > len(self._unusable)
        problems = self._doubled if usable else self._doubled + self._unusable
        if problems:
            shown = "".join("\n  " + problem for problem in problems[:SHOWN_PROBLEMS])
            more = len(problems) - SHOWN_PROBLEMS
            rest = f"\n  ... and {more} more" if more > 0 else ""
            count = f"{len(problems)} line" + ("s" if len(problems) > 1 else "")
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
        generation, kwargs = self._job.generation, self._job.chat_template_kwargs
        conversation, refused = None, None
        response_format = self._job.response_format
        try:
            if "body" in fields:
                _check_request(fields)
                generation, kwargs = self._settings_of(fields["body"])
                response_format = fields["body"].get("response_format") or response_format
            response_format = _format_of(response_format)
            conversation = self._conversation(fields)
        except PromptRefused as error:
            if error.code == "no_prompt":
                return error.message
            refused, response_format = error, None  # it may not have been checked
        asked = conversation.messages if conversation else [fields, self._job.prompt.template]
        more = [part for part in (response_format, None if "body" in fields else self._function_sha256) if part]
        digest = _request_hash(self._job, [asked, *more] if more else asked, generation, kwargs)
        if self._take_identity(identity, number):
            record = Record(identity, number, conversation, refused, generation, kwargs, digest, response_format)
            self._records.append(record)
        return None

    def _conversation(self, fields: Mapping[str, Any]) -> Conversation:
        source = fields.get("body", fields)
        if self._render is not None and "body" not in fields:
            rendered = self._render(fields)
            messages = messages_of([{"role": "user", "content": rendered}] if isinstance(rendered, str) else rendered)
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


def _check_request(fields: Mapping[str, Any]) -> None:
    """A batch line may say how it would be sent; what would be another kind of request is refused."""
    method, url = fields.get("method", "POST"), fields.get("url", BATCH_URLS[0])
    if method != "POST" or url not in BATCH_URLS:
        raise PromptRefused(
            "unsupported_request", f"{method} {url} is not supported; POST to {' or '.join(BATCH_URLS)} is."
        )


def _format_of(value: Any) -> Mapping[str, Any] | None:
    """OpenAI's response_format, None for plain text."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("type") not in FORMATS:
        raise PromptRefused("response_format_invalid", f'"response_format" needs a "type" out of {", ".join(FORMATS)}.')
    if value["type"] == "json_schema":
        schema = value.get("json_schema")
        if not isinstance(schema, dict) or not isinstance(schema.get("schema"), dict):
            raise PromptRefused("response_format_invalid", '"response_format.json_schema.schema" must be an object.')
    return None if value["type"] == "text" else value


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
    return _sha256([job.model, job.revision, job.dtype, job.backend == "echo", asked, asdict(generation), dict(kwargs)])
