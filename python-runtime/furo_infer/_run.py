"""One run from its job to its last line of results. Joins records, engine, events and signals; knows no torch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from ._allocation import Allocation
from ._errors import EXIT_INTERRUPTED, EXIT_OK, FuroInferError, Interrupted, OutputError
from ._events import Counts, Events, say, warn
from ._files import LineFile, make_folder
from ._job import Job
from ._prompts import PromptRefused
from ._records import Record, read_records
from ._results import Answer, Results
from ._signals import StopSignals
from .engines import create_engine
from .engines.base import Engine, Loaded, Request

__all__ = ["run_job"]

PROGRESS = "progress.jsonl"


def run_job(job: Job, allocation: Allocation) -> int:
    """Runs `job` and returns the exit code. Raises FuroInferError after having told it as an event."""
    make_folder(job.output)
    with LineFile(job.output / PROGRESS) as file:
        file.lock()
        events = Events(file, Counts(total=0))
        with StopSignals(lambda name: _tell_interrupted(events, name)) as signals:
            try:
                return _Run(job, events, signals).go(allocation)
            except Interrupted as error:
                _tell_interrupted(events, error.signal_name)
                raise
            except FuroInferError as error:
                _tell_failed(events, error.reason, error.message, error.exit_code)
                raise
            except Exception as error:
                _tell_failed(events, "defect", f"{type(error).__name__}: {error}", 1)
                raise


def _tell_interrupted(events: Events, signal_name: str) -> None:
    counts = events.counts
    events.emit(
        "interrupted",
        done=counts.done,
        failed=counts.failed,
        total=counts.total,
        signal=signal_name,
        exit_code=EXIT_INTERRUPTED,
    )
    say(
        f"Stopped by {signal_name} with {counts.ended} of {counts.total} records done. Run the same job again to go on."
    )


def _tell_failed(events: Events, reason: str, message: str, exit_code: int) -> None:
    try:
        events.emit("failed", reason=reason, message=message, exit_code=exit_code)
    except OutputError:
        return  # A full disk is why we end; the message on stderr and the exit code still tell it.


class _Run:
    def __init__(self, job: Job, events: Events, signals: StopSignals) -> None:
        self._job = job
        self._events = events
        self._signals = signals
        self._loaded = Loaded("none", "none")

    def go(self, allocation: Allocation) -> int:
        job, counts = self._job, self._events.counts
        where = "" if allocation.job_id is None else f" in job {allocation.job_id}"
        say(f"furo_infer: {job.model} over {job.input} -> {job.output}{where}")
        records = read_records(job)
        results = Results(job.output, records, job)
        try:
            counts.total, counts.done, counts.failed = len(records), results.done, results.failed
            self._events.emit(
                "started", total=counts.total, done=counts.done, failed=counts.failed, resumed=counts.ended
            )
            if results.superseded:
                say(f"{results.superseded} earlier lines answered other requests; now in {results.superseded_path}.")
            say(f"{counts.total} records, {counts.ended} of them done by an earlier run.")
            if results.pending:
                self._answer_all(results)
        finally:
            results.close()
        self._finish(results)
        return EXIT_OK

    def _answer_all(self, results: Results) -> None:
        engine = self._load()
        requests = self._prepare(engine, results)
        self._events.start_generating()
        for batch in self._batches(requests):
            answers = engine.answer(batch, self)
            ended = [(request.record, answer) for request, answer in zip(batch, answers, strict=True) if answer]
            self._write(results, ended)
            self._events.progress(batch_ended=True)
            self._raise_if_stopped()

    def _load(self) -> Engine:
        started = time.monotonic()
        self._events.emit("model_loading", model=self._job.model)
        say(f"Loading {self._job.model} ...")
        engine = create_engine(self._job)
        self._loaded = engine.load()
        seconds = round(time.monotonic() - started, 1)
        self._raise_if_stopped()
        self._events.emit("model_loaded", device=self._loaded.device, dtype=self._loaded.dtype, seconds=seconds)
        say(f"Loaded on {self._loaded.device} as {self._loaded.dtype} in {seconds:g} s.")
        for note in self._loaded.notes:
            say(note)
        return engine

    def _prepare(self, engine: Engine, results: Results) -> list[Request]:
        """Longest first: what does not fit into memory shows at once, and the time left is not underestimated."""
        requests: list[Request] = []
        refused: list[tuple[Record, Answer]] = []
        for record in results.pending:
            self._raise_if_stopped()
            try:
                requests.append(engine.prepare(record))
            except PromptRefused as error:
                shown = record.conversation.shown if record.conversation else ""
                refused.append((record, Answer(None, "error", (error.code, error.message), shown, 0, 0, 0.0)))
        self._write(results, refused)
        return sorted(requests, key=lambda request: -request.tokens)

    def _batches(self, requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
        rows = self._job.batch.rows
        return (requests[start : start + rows] for start in range(0, len(requests), rows))

    def _write(self, results: Results, answers: Sequence[tuple[Record, Answer]]) -> None:
        results.write(answers, self._loaded.dtype)
        counts = self._events.counts
        for record, answer in answers:
            counts.tokens += answer.completion_tokens
            if answer.error is None:
                counts.done += 1
                continue
            counts.failed += 1
            code, message = answer.error
            self._events.emit("record_failed", id=record.id, code=code, message=message)
            warn(f"record {record.id} failed: {message}")

    def _finish(self, results: Results) -> None:
        counts, events = self._events.counts, self._events
        rate, seconds = events.tokens_per_second(), events.generating_seconds()
        events.emit(
            "finished",
            done=counts.done,
            failed=counts.failed,
            total=counts.total,
            tokens=counts.tokens,
            tokens_per_second=rate,
            exit_code=EXIT_OK,
        )
        say(
            f"Finished: {counts.done} answered, {counts.failed} failed, {counts.total} records; "
            f"{counts.tokens} tokens in {seconds:.1f} s ({rate:g} tokens/s). Results: {results.path}"
        )

    def _raise_if_stopped(self) -> None:
        if self._signals.received is not None:
            raise Interrupted(self._signals.received)

    def stopped(self) -> bool:
        return self._signals.received is not None

    def stepped(self, tokens: int) -> None:
        self._events.progress(tokens)
