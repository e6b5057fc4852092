"""One run from its job to its last line of results. Joins records, engines, events, signals and the other processes;
knows no torch.

Rank 0 reads the input, hands the records out and tells how far all are. Every process that leads a replica answers
records and writes them to a shard of its own; the others serve their leader.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from ._allocation import Allocation
from ._deadline import Deadline
from ._errors import EXIT_DEFECT, EXIT_INTERRUPTED, EXIT_OK, FuroInferError, Interrupted, OutputError
from ._events import Counts, Events, say, warn
from ._failures import watch_failures
from ._files import LineFile, make_folder
from ._job import Job
from ._manifest import Manifest
from ._measures import highest_peak, stage_idle
from ._merge import merge_results
from ._models import find_model
from ._prompts import PromptRefused
from ._records import Record, read_records
from ._replicas import BEAT_SECONDS, Shared, cause_of, join
from ._results import Answer, Results
from ._signals import StopSignals
from ._stream import Nothing, Stops, Stream
from .engines import choose_backend, create_engine
from .engines.base import Engine, Loaded

__all__ = ["run_job"]

PROGRESS = "progress.jsonl"
# How long a process that failed gives rank 0 to tell why, before the launcher ends all others.
FAREWELL_SECONDS = 1.5
REFRESH_SECONDS = 0.5
# After a signal there may be 10 s until the end of the job; the others stop in the same moment.
PATIENCE_SECONDS = 5.0


def run_job(job: Job, allocation: Allocation) -> int:
    """Runs `job` and returns the exit code. Raises FuroInferError after having told it to all."""
    shared = join(allocation)
    try:
        return _lead_job(job, allocation, shared) if allocation.rank == 0 else _help(job, allocation, shared)
    except Interrupted:
        raise
    except Exception as error:
        if allocation.processes > 1:
            shared.tell_failure(cause_of(error, allocation.rank))
            time.sleep(FAREWELL_SECONDS)
        raise


def _lead_job(job: Job, allocation: Allocation, shared: Shared) -> int:
    make_folder(job.output)
    with LineFile(job.output / PROGRESS, locked=True) as file:
        events = Events(file, Counts(total=0))
        with (
            watch_failures(shared, lambda cause: _end_with(events, cause)),
            StopSignals(events.interrupted) as signals,
        ):
            try:
                return _Run(job, allocation, shared, events, signals).go()
            except Interrupted as error:
                events.interrupted(error.signal_name)
                raise
            except FuroInferError as error:
                events.failed(error.reason, error.message, error.exit_code)
                raise
            except Exception as error:
                events.failed("defect", f"{type(error).__name__}: {error}", 1)
                raise


def _end_with(events: Events, cause: dict[str, Any]) -> None:
    """Ends this process because another one failed."""
    message = f"Rank {cause['rank']} on {cause['host']} failed: {cause['message']}"
    events.failed(str(cause["reason"]), message, int(cause["exit_code"]))
    print(f"furo_infer: error: {message}", file=sys.stderr, flush=True)
    os._exit(int(cause["exit_code"]))


def _help(job: Job, allocation: Allocation, shared: Shared) -> int:
    """A process that is not rank 0. It ends with 0 when it was stopped: rank 0 alone says how the run ended."""
    with StopSignals(lambda _: None) as signals:
        records = read_records(job)
        engine = create_engine(job, allocation, shared, records)
        engine.open()
        if len(shared.order()) > 0:
            loaded = engine.load()
            shared.measure_with(engine.measure)
            deadline = Deadline.of(job.elapse_seconds, os.environ)
            results = Results(job.output, (), job, replica=engine.replica) if engine.leads else None
            try:
                if results is not None:
                    results.made_with(choose_backend(job), loaded.layout)
                    stream = Stream(shared, engine, records, results, deadline, loaded.dtype)
                    engine.run(stream, Stops(signals, deadline))
                else:
                    engine.run(Nothing(), Stops(signals, deadline))
            finally:
                if results is not None:
                    results.close()
        shared.leave(engine.peak_bytes())
        return EXIT_OK


class _Run:
    def __init__(self, job: Job, allocation: Allocation, shared: Shared, events: Events, signals: StopSignals) -> None:
        self._job = job
        self._allocation = allocation
        self._shared = shared
        self._events = events
        self._signals = signals
        self._deadline = Deadline.of(job.elapse_seconds, os.environ)
        self._loaded = Loaded("none", "none")
        self._counted = (0, 0, 0, 0)
        self._last_refresh = self._last_measured = float("-inf")
        self._stopped_at = 0.0

    def go(self) -> int:
        job, allocation = self._job, self._allocation
        where = "" if allocation.job_id is None else f" in job {allocation.job_id}"
        many = "" if allocation.processes == 1 else f" with {allocation.processes} processes"
        say(f"furo_infer: {job.model} over {job.input} -> {job.output}{where}{many}")
        records = read_records(job)
        results = Results(job.output, records, job)
        manifest = Manifest(job.output, job, records, allocation.job_id)
        code = EXIT_DEFECT
        try:
            manifest.begin()
            self._tell_start(results, manifest, len(records))
            all_left = self._answer_all(records, results, manifest)
            # After a signal there are seconds left, and merging may take longer; the next run does it.
            self._raise_if_stopped()
            results.close()
            if all_left:  # one that hangs still holds its shard
                merge_results(job.output, records)
            whole = all_left and self._events.counts.ended >= len(records)
            code = EXIT_OK if whole else EXIT_INTERRUPTED
        except FuroInferError as error:
            code = error.exit_code
            raise
        finally:
            results.close()
            with contextlib.suppress(OutputError):  # a disk that is full has been told already
                seconds = self._events.generating_seconds()
                manifest.end(self._events.counts, code, self._shared.peaks(), seconds)
        if code != EXIT_OK:
            raise Interrupted("the elapse limit")
        self._finish(results)
        return EXIT_OK

    def _tell_start(self, results: Results, manifest: Manifest, total: int) -> None:
        counts = self._events.counts
        counts.total, counts.done, counts.failed = total, results.done, results.failed
        self._events.emit("started", total=total, done=counts.done, failed=counts.failed, resumed=counts.ended)
        if manifest.change is not None:
            say(manifest.change)
        if results.superseded:
            say(f"{results.superseded} earlier lines answered other requests; now in {results.superseded_path}.")
        say(f"{total} records, {counts.ended} of them done by an earlier run.")

    def _answer_all(self, records: Sequence[Record], results: Results, manifest: Manifest) -> bool:
        """Whether all processes have ended their part."""
        shared = self._shared
        if not results.pending:
            shared.publish(())
            shared.leave(0)
            return shared.wait_for_all(lambda: True)
        job = self._job
        engine = create_engine(job, self._allocation, shared, records)
        engine.open()
        shared.publish(self._order(engine, records, results))
        self._load(engine)
        backend = choose_backend(job)
        results.made_with(backend, self._loaded.layout)
        config = None if backend == "echo" else find_model(job.model, job.revision) / "config.json"
        manifest.loaded(config, backend, self._loaded.layout, self._loaded.dtype, self._loaded.device)
        stream = Stream(shared, engine, records, results, self._deadline, self._loaded.dtype)
        stream.on_failed = lambda identity, code, message: self._events.emit(
            "record_failed", id=identity, code=code, message=message
        )
        shared.measure_with(engine.measure)
        self._events.start_generating()
        engine.run(stream, self)
        shared.leave(engine.peak_bytes())
        all_left = shared.wait_for_all(self._waits)
        self._refresh()
        return all_left

    def _order(self, engine: Engine, records: Sequence[Record], results: Results) -> list[int]:
        """The pending records as numbers in the input, the longest prompts first: what does not fit into memory shows
        at once, and the time left is not underestimated. Those that cannot be asked are written as failed."""
        number_of = {record.id: number for number, record in enumerate(records)}
        lengths: list[tuple[int, int]] = []
        for record in results.pending:
            self._raise_if_stopped()
            try:
                lengths.append((-engine.prepare(record).tokens, number_of[record.id]))
            except PromptRefused as error:
                self._refuse(results, record, error)
        return [number for _, number in sorted(lengths)]

    def _refuse(self, results: Results, record: Record, error: PromptRefused) -> None:
        shown = record.conversation.shown if record.conversation else ""
        results.write([(record, Answer(None, "error", (error.code, error.message), shown, 0, 0, 0.0))], "none")
        self._events.counts.failed += 1
        self._events.emit("record_failed", id=record.id, code=error.code, message=error.message)
        warn(f"record {record.id} failed: {error.message}")

    def _load(self, engine: Engine) -> None:
        started = time.monotonic()
        self._events.emit("model_loading", model=self._job.model)
        say(f"Loading {self._job.model} ...")
        self._loaded = engine.load()
        seconds = round(time.monotonic() - started, 1)
        self._raise_if_stopped()
        self._events.emit("model_loaded", device=self._loaded.device, dtype=self._loaded.dtype, seconds=seconds)
        layout = "" if self._loaded.layout == "1x1x1" else f", layout {self._loaded.layout}"
        say(f"Loaded on {self._loaded.device} as {self._loaded.dtype}{layout} in {seconds:g} s.")
        for note in self._loaded.notes:
            say(note)

    def _refresh(self) -> None:
        """Brings the counts of all processes into the events."""
        totals = self._shared.totals()
        counts, before = self._events.counts, self._counted
        counts.done += totals[0] - before[0]
        counts.failed += totals[1] - before[1]
        counts.tokens += totals[2] - before[2]
        counts.tokens_in += totals[3] - before[3]
        self._counted = totals
        if time.monotonic() - self._last_measured >= BEAT_SECONDS:
            self._last_measured = time.monotonic()
            measures = self._shared.measures()
            self._events.measured(highest_peak(measures), stage_idle(measures))
        self._events.progress(batch_ended=totals[:2] != before[:2])

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

    def _waits(self) -> bool:
        """Whether rank 0 goes on waiting for the others: when the job has to end, not for one that hangs."""
        self._refresh()
        if not self.stopped():
            return True
        self._stopped_at = self._stopped_at or time.monotonic()
        return time.monotonic() - self._stopped_at < PATIENCE_SECONDS

    def _raise_if_stopped(self) -> None:
        if self._signals.received is not None:
            raise Interrupted(self._signals.received)

    def stopped(self) -> bool:
        return self._signals.received is not None or self._deadline.must_leave

    def stepped(self, tokens: int) -> None:
        now = time.monotonic()
        if now - self._last_refresh >= REFRESH_SECONDS:
            self._last_refresh = now
            self._refresh()
        self._events.progress(tokens)
