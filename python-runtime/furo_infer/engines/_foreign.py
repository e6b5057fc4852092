"""What the back ends have in common that hand whole lists of prompts to another engine, which batches by itself.

Knows requests, answers and how many GPUs there are; each engine's own words are in a file of its own.
"""

from __future__ import annotations

import hashlib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch

from .._allocation import Allocation
from .._errors import DeviceError, ModelError, UsageError
from .._job import Job
from .._measures import Measures
from .._prompts import PromptRefused
from .._records import Record
from .._results import Answer
from ._devices import peak_bytes
from ._tokens import Tokens, short
from .base import Loaded, Request, Watch, Work

__all__ = ["ForeignEngine", "import_engine", "seed_of"]

# Prompts of one call. Nothing is told and no signal is seen before its end; the engine batches within it.
ROWS_OF_A_CALL = 256


class ForeignEngine(ABC):
    """One process that drives the GPUs of its node through `name`. Subclasses load it and translate both ways."""

    name: str
    leads = True

    def __init__(self, job: Job, allocation: Allocation) -> None:
        self.replica = allocation.rank
        self._job = job
        self._allocation = allocation
        self._tokens: Tokens | None = None

    @abstractmethod
    def load(self) -> Loaded:
        """Raises ModelError, DeviceError or UsageError."""

    @abstractmethod
    def _answer(self, batch: Sequence[Request]) -> list[Answer]:
        """One answer for each request, in the same order. May raise what the engine raises."""

    def open(self) -> None:
        if (self._job.response_format or {}).get("type", "text") != "text":
            raise UsageError(
                "backendLacks",
                f"The back end {self.name} is not asked for answers in a given form here. Leave response_format out of "
                'the job file, or "backend": the own engine can.',
            )
        self._tokens = Tokens(self._job)

    def peak_bytes(self) -> int:
        """Of this process; the engine's own processes and GPUs are its affair."""
        return peak_bytes(torch.device("cpu"))

    def measure(self) -> Measures:
        return Measures(self.peak_bytes())

    def prepare(self, record: Record) -> Request:
        if record.response_format is not None:
            raise PromptRefused(
                "response_format_unavailable",
                f"The back end {self.name} is not asked for answers in a given form here.",
            )
        return self._opened.prepare(record)

    def run(self, work: Work, watch: Watch) -> None:
        rows = self._job.batch.rows or ROWS_OF_A_CALL
        while not watch.stopped() and (batch := work.take(rows)):
            try:
                answers = self._answer(batch)
            except torch.cuda.OutOfMemoryError as error:
                raise DeviceError(
                    "deviceFailed",
                    f"{self.name} ran out of GPU memory ({short(error)}). Run the job again with more GPUs.",
                ) from error
            except (RuntimeError, ValueError, AssertionError, TypeError, OSError) as error:
                raise DeviceError("deviceFailed", f"{self.name} failed: {short(error)} Run the job again.") from error
            for request, answer in zip(batch, answers, strict=True):
                work.tell(request, answer)
            watch.stepped(0)

    @property
    def _opened(self) -> Tokens:
        assert self._tokens is not None
        return self._tokens

    def _tensor_parallel(self) -> int:
        """GPUs of this process. Raises DeviceError without any, UsageError where several processes share them."""
        visible = torch.cuda.device_count()  # asks the driver without taking a GPU, which is the engine's part
        if visible == 0 or self._job.device == "cpu":
            raise DeviceError("cudaAbsent", f"The back end {self.name} needs a GPU, and there is none for it.")
        if self._allocation.local_processes > 1 and visible > 1:
            raise UsageError(
                "layoutImpossible",
                f"{self._allocation.local_processes} processes were started on this node, but {self.name} drives all "
                f"{visible} GPUs from one. Start one process for each node, or let each process see one GPU "
                "(CUDA_VISIBLE_DEVICES).",
            )
        asked = self._job.layout.tensor_parallel or visible // (self._job.layout.stages or 1)
        if asked * (self._job.layout.stages or 1) > visible:
            raise UsageError(
                "layoutImpossible",
                f"The layout asks {self.name} for more GPUs than the {visible} there are. Correct the layout, or the "
                "number of GPUs of the job.",
            )
        return max(1, asked)

    def _finished(self, request: Request, text: str, reason: str | None, tokens: int, seconds: float) -> Answer:
        """The answer in our words; a stop text that the engine let through is cut off here."""
        cuts = [text.find(stop) for stop in request.record.generation.stop if stop in text]
        return Answer(
            text=text[: min(cuts)] if cuts else text,
            finish_reason="length" if reason == "length" and not cuts else "stop",
            error=None,
            prompt_text=request.text,
            prompt_tokens=request.tokens,
            completion_tokens=tokens,
            seconds=seconds,
        )


def import_engine(name: str, hint: str) -> Any:
    """The module `name`. Raises ModelError `backendAbsent` that says how to install it."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise ModelError(
            "backendAbsent",
            f"The back end {name} is not installed in this environment ({short(error)}). {hint} "
            'Or leave "backend" out of the job file: the own engine needs nothing more.',
        ) from error


def seed_of(request: Request) -> int:
    """A number from (seed, id) below 2**31, so that neither batch nor resume changes what is drawn."""
    identity = f"{request.record.generation.seed}:{request.record.id}"
    return int.from_bytes(hashlib.sha256(identity.encode("utf-8")).digest()[:4], "big") >> 1
