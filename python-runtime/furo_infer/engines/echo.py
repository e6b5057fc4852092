"""An engine without a model: it says the question again, word by word. For tests and dry runs; never imports torch."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .._prompts import PromptRefused
from .._records import Record
from .._results import Answer
from .base import Loaded, Request, Watch

__all__ = ["EchoEngine"]


class EchoEngine:
    """Counts words as tokens. `seconds_per_token` lets a run last as long as a real one."""

    def __init__(self, seconds_per_token: float = 0.0) -> None:
        self._seconds_per_token = seconds_per_token

    def load(self) -> Loaded:
        return Loaded(device="none", dtype="none", notes=("The engine is echo: no model is used.",))

    def prepare(self, record: Record) -> Request:
        if record.conversation is None:
            raise record.refused or PromptRefused("no_prompt", "There is no prompt.")
        text = "\n".join(message["content"] for message in record.conversation.messages)
        return Request(record, text, len(text.split()))

    def answer(self, batch: Sequence[Request], watch: Watch) -> list[Answer | None]:
        answers: list[Answer | None] = []
        for request in batch:
            answers.append(self._one(request, watch))
        return answers

    def _one(self, request: Request, watch: Watch) -> Answer | None:
        started = time.monotonic()
        assert request.record.conversation is not None
        words = request.record.conversation.shown.split()
        said = words[: request.record.generation.max_new_tokens]
        for count in range(1, len(said) + 1):
            if watch.stopped():
                return None
            time.sleep(self._seconds_per_token)
            watch.stepped(count)
        return Answer(
            text=" ".join(said),
            finish_reason="stop" if len(said) == len(words) else "length",
            error=None,
            prompt_text=request.text,
            prompt_tokens=request.tokens,
            completion_tokens=len(said),
            seconds=time.monotonic() - started,
        )
