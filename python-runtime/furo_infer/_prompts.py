"""A record's fields -> a conversation. Knows Jinja, functions of the project, and the shape of chat messages.

Does not know files, tokenizers or models: how a conversation becomes tokens is the engine's part.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import jinja2.sandbox

from ._errors import UsageError

__all__ = [
    "Conversation",
    "Message",
    "PromptRefused",
    "compile_template",
    "conversation_of",
    "load_function",
    "messages_of",
]

ROLES = ("system", "developer", "user", "assistant", "tool")

Message = Mapping[str, str]
# A prompt as text, or chat messages as OpenAI writes them.
Render = Callable[[Mapping[str, Any]], Any]


class PromptRefused(Exception):
    """One record cannot become a prompt. `code` goes into its error record."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Conversation:
    """What the model is asked. `shown` is the user's own text, for tables."""

    messages: tuple[Message, ...]
    shown: str


def compile_template(template: str) -> Render:
    """A function from a record's fields to text, in Jinja's sandbox; a missing field is refused, never blank."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    try:
        compiled = environment.from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(
            "templateInvalid", f"prompt.template is not valid Jinja at its line {error.lineno}: {error.message}."
        ) from error

    def render(fields: Mapping[str, Any]) -> str:
        try:
            return compiled.render(fields)
        except jinja2.UndefinedError as error:
            raise PromptRefused(
                "template_field_missing", f"The prompt template does not fit: {error.message}."
            ) from error
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise PromptRefused("template_failed", f"The prompt template failed: {error}.") from error

    return render


def load_function(name: str) -> Render:
    """The function that `name`, "module.py:function", says: a file of the project, which gets a record's fields as a
    dict and returns a text or a list of messages. What it raises is the record's own failure, with its place."""
    file, _, function = name.rpartition(":")
    path = Path(file)
    if not file.endswith(".py") or not function.isidentifier():
        raise UsageError("functionInvalid", f'prompt.function is "{name}"; write it as "file.py:function".')
    if not path.is_file():
        raise UsageError("functionInvalid", f"prompt.function names {path}, which is not there.")
    module: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module)
    except Exception as error:
        raise UsageError("functionInvalid", f"{path} cannot be loaded: {_where(error, path)}.") from error
    build = module.get(function)
    if not callable(build):
        raise UsageError("functionInvalid", f"{path} has no function {function}.")

    def render(fields: Mapping[str, Any]) -> Any:
        try:
            prompt = build(dict(fields))
        except Exception as error:
            raise PromptRefused("function_failed", f"The prompt function failed: {_where(error, path)}.") from error
        if not isinstance(prompt, (str, list)):
            raise PromptRefused(
                "function_failed",
                f"The prompt function {function} of {path} returned {type(prompt).__name__}; it must return a text or "
                "a list of messages.",
            )
        return prompt

    return render


def _where(error: Exception, path: Path) -> str:
    """The error with the last line of `path` that it went through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    place = f" at {path}, line {line}" if line is not None else ""
    return f"{type(error).__name__}: {error}{place}"


def conversation_of(messages: tuple[Message, ...], system: str | None) -> Conversation:
    """Puts the job's system text in front, unless the record brings its own."""
    if system and not any(message["role"] in ("system", "developer") for message in messages):
        messages = ({"role": "system", "content": system}, *messages)
    asked = [message["content"] for message in messages if message["role"] == "user"]
    return Conversation(messages, asked[-1] if asked else messages[-1]["content"])


def messages_of(value: Any) -> tuple[Message, ...]:
    """Checks chat messages as OpenAI writes them. Content in parts is taken when every part is text."""
    if not isinstance(value, list) or not value:
        raise PromptRefused("messages_invalid", '"messages" must be a list with at least one message.')
    return tuple(_message(item, number) for number, item in enumerate(value, start=1))


def _message(value: Any, number: int) -> Message:
    if not isinstance(value, dict) or value.get("role") not in ROLES:
        raise PromptRefused("messages_invalid", f"Message {number} needs a role out of {', '.join(ROLES)}.")
    content = value.get("content")
    if isinstance(content, list):
        parts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in content
        ]
        if any(not isinstance(part, str) for part in parts):
            raise PromptRefused("messages_invalid", f"Message {number} has a part that is not text.")
        content = "".join(str(part) for part in parts)
    if not isinstance(content, str):
        raise PromptRefused("messages_invalid", f"Message {number} has no text as its content.")
    return {"role": str(value["role"]), "content": content}
