"""The work of one replica: records from the common order, answers into the replica's own shard.

Knows records, shards and the deadline; does not know engines but by their protocol, nor how a run begins and ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ._deadline import Deadline
from ._events import warn
from ._reasoning import split_reasoning
from ._records import Record
from ._replicas import Shared
from ._results import Answer, Results
from ._signals import StopSignals
from .engines.base import Engine, Request

__all__ = ["Nothing", "Stops", "Stream"]


class Stream:
    """Work for one replica: takes from the common order, writes to the replica's shard, counts for all."""

    def __init__(
        self,
        shared: Shared,
        engine: Engine,
        records: Sequence[Record],
        results: Results,
        deadline: Deadline,
        dtype: str,
    ) -> None:
        self._shared = shared
        self._engine = engine
        self._records = records
        self._results = results
        self._deadline = deadline
        self._dtype = dtype
        self.on_failed: Callable[[str, str, str], None] = lambda _id, _code, _message: None

    def take(self, most: int) -> list[Request]:
        taken: list[Request] = []
        while len(taken) < most and self._deadline.may_admit():
            place = self._shared.claim()
            if place is None:
                break
            taken.append(self._engine.prepare(self._records[self._shared.order()[place]]))
        return taken

    def tell(self, request: Request, answer: Answer) -> None:
        if answer.text is not None:
            thought = split_reasoning(request.text, answer.text, answer.finish_reason)
            notes = (*answer.notes, "ended_inside_thinking") if thought.truncated else answer.notes
            answer = replace(answer, text=thought.content, reasoning=thought.reasoning, notes=notes)
        self._results.write([(request.record, answer)], self._dtype)
        self._deadline.learn(answer.seconds)
        done = answer.error is None
        self._shared.count(int(done), int(not done), answer.completion_tokens, answer.prompt_tokens)
        if answer.error is not None:
            warn(f"record {request.record.id} failed: {answer.error[1]}")
            self.on_failed(request.record.id, *answer.error)


class Stops:
    """Watch of a replica whose progress rank 0 tells."""

    def __init__(self, signals: StopSignals, deadline: Deadline) -> None:
        self._signals = signals
        self._deadline = deadline

    def stopped(self) -> bool:
        return self._signals.received is not None or self._deadline.must_leave

    def stepped(self, tokens: int) -> None:
        """Rank 0 counts what is told."""


class Nothing:
    """Work for a process that does not lead: it is never asked for any."""

    def take(self, most: int) -> list[Request]:
        return []

    def tell(self, request: Request, answer: Answer) -> None:
        raise AssertionError("only a leader answers records")
