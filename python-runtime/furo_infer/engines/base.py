"""What every way to run a model offers. Knows records and answers; does not know files, signals or events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .._records import Record
from .._results import Answer

__all__ = ["Engine", "Loaded", "Request", "Watch"]


@dataclass(frozen=True)
class Loaded:
    """`device` and `dtype` as people write them; `notes` are sentences worth one line each."""

    device: str
    dtype: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """A record that is ready to run. `text` is the whole prompt; `tokens` its length."""

    record: Record
    text: str
    tokens: int


class Watch(Protocol):
    """How an engine learns that it must stop, and tells that it is alive; both are asked at every token."""

    def stopped(self) -> bool: ...

    def stepped(self, tokens: int) -> None: ...


class Engine(Protocol):
    def load(self) -> Loaded:
        """Raises ModelError or DeviceError."""
        ...

    def prepare(self, record: Record) -> Request:
        """Raises PromptRefused when this record cannot be asked."""
        ...

    def answer(self, batch: Sequence[Request], watch: Watch) -> list[Answer | None]:
        """One answer for each request, in order; None for those that `watch` stopped before their end."""
        ...
