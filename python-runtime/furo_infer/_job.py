"""The job file: JSON text -> a checked `Job`. Knows the format of test/fixtures/contract/job.json.

Does not know models or devices, and reads nothing but the one file. Never imports torch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._errors import UsageError

__all__ = ["BACKENDS", "DTYPES", "POLICIES", "Batch", "Generation", "Job", "Layout", "Prompt", "parse_job", "read_job"]

VERSION = 1
BACKENDS = ("auto", "own", "transformers", "lmdeploy", "vllm", "echo")
DTYPES = ("auto", "float16", "bfloat16", "float32")
# How the back end "transformers" lays a model on the GPUs of a node; the words are accelerate's.
POLICIES = ("auto", "balanced", "balanced_low_0", "sequential")


@dataclass(frozen=True)
class Prompt:
    """How a record becomes a conversation. `template` is Jinja text over the record's fields; `function` names a
    Python function of the project instead, as "module.py:function"."""

    system: str | None = None
    template: str | None = None
    function: str | None = None


@dataclass(frozen=True)
class Generation:
    """`temperature` 0 is greedy; `top_k` 0 and `top_p` 1 switch those filters off."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """`rows` that are generated together on one device; None leaves the choice to the plan."""

    rows: int | None = None


@dataclass(frozen=True)
class Layout:
    """How the model lies on the GPUs; what is None is planned. Their product is the number of processes."""

    replicas: int | None = None
    stages: int | None = None
    tensor_parallel: int | None = None


@dataclass(frozen=True)
class Job:
    """One run. Paths count from the working directory of the process."""

    model: str
    input: Path
    output: Path
    revision: str | None = None
    prompt: Prompt = Prompt()
    generation: Generation = Generation()
    batch: Batch = Batch()
    dtype: str = "auto"
    device: str = "auto"
    backend: str = "auto"
    policy: str = "auto"
    layout: Layout = Layout()
    trust_remote_code: bool = False
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    response_format: Mapping[str, Any] | None = None
    elapse_seconds: float | None = None


def read_job(path: Path) -> Job:
    """Raises UsageError when the file is absent, is no JSON, or says something that we do not know."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("jobFileInvalid", f"The job file {path} is not UTF-8 text ({error}).") from error
    except OSError as error:
        raise UsageError("jobFileUnreadable", f"The job file {path} cannot be read: {error.strerror}.") from error
    try:
        return parse_job(text)
    except UsageError as error:
        raise UsageError(error.reason, f"Job file {path}: {error.message}") from error


def parse_job(text: str) -> Job:
    """The job in JSON `text`. Every unknown key is an error that names it and the keys there are."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            "jobFileInvalid", f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    top = _object(value, "the job")
    version = top.pop("version", None)
    if version != VERSION:
        raise UsageError(
            "jobFileInvalid",
            f'"version" is {json.dumps(version)}, this furo_infer reads version {VERSION}. '
            "Extension and runtime must be of one release.",
        )
    fields = _check(top, "", _JOB_FIELDS)
    for name in ("model", "input", "output"):
        if name not in fields:
            raise UsageError("jobFileInvalid", f'"{name}" is missing.')
    return Job(**fields)


Check = Callable[[Any, str], Any]


def _wrong(name: str, expected: str, value: Any) -> UsageError:
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return UsageError("jobFileInvalid", f'"{name}" must be {expected}, not {shown}.')


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, "an object", value)
    return dict(value)


def _check(values: Mapping[str, Any], where: str, checks: Mapping[str, Check]) -> dict[str, Any]:
    for name in values:
        if name not in checks:
            known = ", ".join(sorted(checks))
            raise UsageError("jobFileInvalid", f'unknown key "{where}{name}". Known here: {known}.')
    return {name: checks[name](value, where + name) for name, value in values.items()}


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or value == "":
        raise _wrong(name, "a text that is not empty", value)
    return value


def _optional_text(value: Any, name: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong(name, "a text or null", value)
    return value


def _path(value: Any, name: str) -> Path:
    return Path(_text(value, name)).expanduser()


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, "true or false", value)
    return value


def _choice(*allowed: str) -> Check:
    def check(value: Any, name: str) -> str:
        if value not in allowed:
            raise _wrong(name, "one of " + ", ".join(allowed), value)
        return str(value)

    return check


def _whole(least: int, most: int | None = None) -> Check:
    expected = f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most}"

    def check(value: Any, name: str) -> int:
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or value < least
            or (most is not None and value > most)
        ):
            raise _wrong(name, expected, value)
        return value

    return check


def _number(least: float, most: float) -> Check:
    def check(value: Any, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise _wrong(name, f"a number from {least:g} to {most:g}", value)
        return float(value)

    return check


def _stop(value: Any, name: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text != "" for text in texts):
        raise _wrong(name, "a list of texts that are not empty", value)
    return tuple(texts)


def _optional(check: Check) -> Check:
    return lambda value, name: None if value is None else check(value, name)


def _part(kind: Callable[..., Any], checks: Mapping[str, Check]) -> Check:
    def check(value: Any, name: str) -> Any:
        return kind(**_check(_object(value, name), name + ".", checks))

    return check


GENERATION_CHECKS: Mapping[str, Check] = {
    "max_new_tokens": _whole(1),
    "temperature": _number(0.0, 100.0),
    "top_p": _number(0.0, 1.0),
    "top_k": _whole(0),
    "seed": _whole(0, 2**63 - 1),
    "stop": _stop,
}

_JOB_FIELDS: Mapping[str, Check] = {
    "model": _text,
    "revision": _optional_text,
    "input": _path,
    "output": _path,
    "prompt": _part(Prompt, {"system": _optional_text, "template": _optional_text, "function": _optional_text}),
    "generation": _part(Generation, GENERATION_CHECKS),
    "batch": _part(Batch, {"rows": _optional(_whole(1))}),
    "dtype": _choice(*DTYPES),
    "device": _choice("auto", "cuda", "cpu"),
    "backend": _choice(*BACKENDS),
    "policy": _choice(*POLICIES),
    "layout": _part(Layout, {name: _optional(_whole(1)) for name in ("replicas", "stages", "tensor_parallel")}),
    "trust_remote_code": _flag,
    "chat_template_kwargs": _object,
    "response_format": _optional(_object),
    "elapse_seconds": _optional(_number(1.0, 1e9)),
}


def with_overrides(base: Generation, values: Mapping[str, Any]) -> Generation:
    """`base` with some of its fields given anew by one record. Raises UsageError as the job file does."""
    return dataclasses.replace(base, **_check(values, "", GENERATION_CHECKS))
