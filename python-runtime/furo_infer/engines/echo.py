"""An engine without a model: it says the question again, word by word. For tests and dry runs; never imports torch."""

from __future__ import annotations

import time

from .._allocation import Allocation
from .._measures import Measures
from .._prompts import PromptRefused
from .._records import Record
from .._results import Answer
from .base import Loaded, Request, Watch, Work

__all__ = ["EchoEngine"]


class EchoEngine:
    """Counts words as tokens. `seconds_per_token` lets a run last as long as a real one."""

    leads = True

    def __init__(self, allocation: Allocation, seconds_per_token: float = 0.0) -> None:
        self.replica = allocation.rank
        self._seconds_per_token = seconds_per_token

    def open(self) -> None:
        """There is no model to look at."""

    def prepare(self, record: Record) -> Request:
        if record.conversation is None:
            raise record.refused or PromptRefused("no_prompt", "There is no prompt.")
        text = "\n".join(message["content"] for message in record.conversation.messages)
        return Request(record, text, tuple(range(len(text.split()))))

    def load(self) -> Loaded:
        return Loaded(device="none", dtype="none", notes=("The engine is echo: no model is used.",))

    def run(self, work: Work, watch: Watch) -> None:
        while not watch.stopped() and (taken := work.take(1)):
            answer = self._one(taken[0], watch)
            if answer is not None:
                work.tell(taken[0], answer)

    def peak_bytes(self) -> int:
        return 0

    def measure(self) -> Measures:
        return Measures(self.peak_bytes())

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
