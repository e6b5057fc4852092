"""Copies of a model over one stream of records: what the processes of a run tell each other beside tensors.

The replicas take records one by one from a common list, so that none is idle while there is work. Knows counters
and bytes in a store; does not know models. torch is imported only when there is more than one process.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from ._allocation import Allocation
from ._errors import DeviceError, FuroInferError
from ._measures import Measures

__all__ = ["BEAT_SECONDS", "Shared", "Single", "StoreShared", "cause_of", "join", "open_store"]

# The model files may come slowly to some node; after this a process that has not come is taken as lost.
MEETING_SECONDS = 600.0
POLL_SECONDS = 0.2
# A process that tells no sign of life for so long is taken as lost, with its node or its connection.
SILENT_SECONDS = float(os.environ.get("FURO_SILENT_SECONDS") or 120)
BEAT_SECONDS = min(5.0, SILENT_SECONDS / 4)


class Shared(Protocol):
    def publish(self, order: Sequence[int]) -> None:
        """By rank 0: the records to do, as numbers in the input, in the order in which they are taken."""
        ...

    def order(self) -> Sequence[int]:
        """Waits until rank 0 has published."""
        ...

    def claim(self) -> int | None:
        """The next place in the order, each only once over all processes; None when there is none."""
        ...

    def count(self, done: int, failed: int, tokens: int, tokens_in: int) -> None: ...

    def totals(self) -> tuple[int, int, int, int]:
        """done, failed, tokens, tokens_in of all processes."""
        ...

    def measure_with(self, measure: Callable[[], Measures]) -> None:
        """How this process measures; asked now and then, from another thread."""
        ...

    def measures(self) -> list[Measures]:
        """By rank 0: the latest of each process that has told any."""
        ...

    def leave(self, peak_bytes: int) -> None:
        """This process has ended its part, and used `peak_bytes` of its device's memory at most."""
        ...

    def peaks(self) -> list[int]:
        """The `peak_bytes` of the ranks that have left, in their order."""
        ...

    def wait_for_all(self, goes_on: Callable[[], bool]) -> bool:
        """By rank 0: whether every process has left; waits for that while `goes_on`, asked now and then, says so."""
        ...

    def tell_failure(self, cause: dict[str, Any]) -> None: ...

    def failure(self) -> dict[str, Any] | None:
        """What the first process that failed has told, or that one has fallen silent."""
        ...


class Single:
    """One process."""

    def __init__(self) -> None:
        self._order: Sequence[int] = ()
        self._next = 0
        self._totals = [0, 0, 0, 0]
        self._peaks: list[int] = []
        self._measure: Callable[[], Measures] | None = None

    def publish(self, order: Sequence[int]) -> None:
        self._order = order

    def order(self) -> Sequence[int]:
        return self._order

    def claim(self) -> int | None:
        if self._next >= len(self._order):
            return None
        self._next += 1
        return self._next - 1

    def count(self, done: int, failed: int, tokens: int, tokens_in: int) -> None:
        self._totals = [old + new for old, new in zip(self._totals, (done, failed, tokens, tokens_in), strict=True)]

    def totals(self) -> tuple[int, int, int, int]:
        return self._totals[0], self._totals[1], self._totals[2], self._totals[3]

    def measure_with(self, measure: Callable[[], Measures]) -> None:
        self._measure = measure

    def measures(self) -> list[Measures]:
        return [] if self._measure is None else [self._measure()]

    def leave(self, peak_bytes: int) -> None:
        self._peaks = [peak_bytes]

    def peaks(self) -> list[int]:
        return self._peaks

    def wait_for_all(self, goes_on: Callable[[], bool]) -> bool:
        return True

    def tell_failure(self, cause: dict[str, Any]) -> None:
        """The exception itself tells it."""

    def failure(self) -> dict[str, Any] | None:
        return None


class StoreShared:
    """Over torch's TCPStore, which rank 0 holds."""

    def __init__(self, store: Any, rank: int, processes: int) -> None:
        self.store = store
        self._rank = rank
        self._processes = processes
        self._order: Sequence[int] | None = None
        self._heard: dict[int, tuple[int, float]] = {}
        self._measure: Callable[[], Measures] | None = None
        self._left = threading.Event()
        store.set(f"host {rank}", socket.gethostname())
        if rank > 0:
            threading.Thread(target=self._beat, name="beats", daemon=True).start()

    def publish(self, order: Sequence[int]) -> None:
        self._order = order
        self.store.set("order", array.array("q", order).tobytes())

    def order(self) -> Sequence[int]:
        if self._order is None:
            while not self.store.check(["order"]):
                self._raise_if_failed()
                time.sleep(POLL_SECONDS)
            numbers = array.array("q")
            numbers.frombytes(self.store.get("order"))
            self._order = numbers
        return self._order

    def claim(self) -> int | None:
        place = int(self.store.add("next", 1)) - 1
        return place if place < len(self.order()) else None

    def count(self, done: int, failed: int, tokens: int, tokens_in: int) -> None:
        for name, value in (("done", done), ("failed", failed), ("tokens", tokens), ("tokens_in", tokens_in)):
            if value:
                self.store.add(name, value)

    def totals(self) -> tuple[int, int, int, int]:
        done, failed, tokens, tokens_in = (
            int(self.store.add(name, 0)) for name in ("done", "failed", "tokens", "tokens_in")
        )
        return done, failed, tokens, tokens_in

    def measure_with(self, measure: Callable[[], Measures]) -> None:
        self._measure = measure

    def measures(self) -> list[Measures]:
        own = [] if self._measure is None else [self._measure()]
        names = (f"measures {rank}" for rank in range(1, self._processes))
        return own + [Measures.from_text(self.store.get(name)) for name in names if self.store.check([name])]

    def leave(self, peak_bytes: int) -> None:
        self._left.set()
        self.store.set(f"peak {self._rank}", str(peak_bytes))
        self.store.add("left", 1)

    def peaks(self) -> list[int]:
        names = (f"peak {rank}" for rank in range(self._processes))
        return [int(self.store.get(name)) for name in names if self.store.check([name])]

    def wait_for_all(self, goes_on: Callable[[], bool]) -> bool:
        while int(self.store.add("left", 0)) < self._processes:
            self._raise_if_failed()
            if not goes_on():
                return False
            time.sleep(POLL_SECONDS)
        return True

    def tell_failure(self, cause: dict[str, Any]) -> None:
        with contextlib.suppress(RuntimeError):  # rank 0 may be what failed; then there is nobody to tell
            if int(self.store.add("failures", 1)) == 1:
                self.store.set("failure", json.dumps(cause))

    def failure(self) -> dict[str, Any] | None:
        if not self.store.check(["failure"]):
            return self._silence() if self._rank == 0 else None
        cause: dict[str, Any] = json.loads(self.store.get("failure"))
        return cause

    def _silence(self) -> dict[str, Any] | None:
        """The first other process that has not beaten for too long and has not left either."""
        now = time.monotonic()
        for rank in range(1, self._processes):
            beats = int(self.store.add(f"beat {rank}", 0))
            last, since = self._heard.setdefault(rank, (beats, now))
            if beats != last:
                self._heard[rank] = (beats, now)
            elif now - since > SILENT_SECONDS and not self.store.check([f"peak {rank}"]):
                host = self.store.get(f"host {rank}").decode() if self.store.check([f"host {rank}"]) else "its node"
                return cause_of(DeviceError("processLost", SILENT.format(SILENT_SECONDS)), rank, host)
        return None

    def _beat(self) -> None:
        """By all but rank 0: tells that this process lives and what it measures. Ends it when rank 0, which holds the
        store, is silent."""
        while not self._left.wait(BEAT_SECONDS):
            limit = threading.Timer(SILENT_SECONDS, _leave_alone)
            limit.daemon = True
            limit.start()
            with contextlib.suppress(RuntimeError):  # a broken connection is told by whoever works with it
                self.store.add(f"beat {self._rank}", 1)
                if self._measure is not None:
                    self.store.set(f"measures {self._rank}", self._measure().to_text())
            limit.cancel()

    def _raise_if_failed(self) -> None:
        cause = self.failure()
        if cause is not None:
            raise DeviceError("processLost", f"Rank {cause['rank']} on {cause['host']} failed: {cause['message']}")


SILENT = (
    "nothing was heard of it for {:g} s. Its node may be down or frozen. What was answered is kept; run the job again "
    "to go on."
)


def _leave_alone() -> None:
    print(f"furo_infer: error: Rank 0 failed: {SILENT.format(SILENT_SECONDS)}", file=sys.stderr, flush=True)
    os._exit(DeviceError.exit_code)


def cause_of(error: Exception, rank: int, host: str | None = None) -> dict[str, object]:
    """What all processes are told when one of them fails; `host` is this one by default."""
    expected = isinstance(error, FuroInferError)
    return {
        "rank": rank,
        "host": host or socket.gethostname(),
        "reason": error.reason if isinstance(error, FuroInferError) else "defect",
        "message": str(error) if expected else f"{type(error).__name__}: {error}",
        "exit_code": error.exit_code if isinstance(error, FuroInferError) else 1,
    }


def open_store(allocation: Allocation, *, holds: bool, seconds: float, waits: bool) -> Any:
    """torch's store at the address of rank 0, which this process holds, or which torchrun holds. `seconds` limits each
    wait; `waits` for all processes to come. Raises RuntimeError."""
    from torch._C._distributed_c10d import PrefixStore, TCPStore

    store = TCPStore(
        allocation.master_address,
        allocation.master_port,
        allocation.processes if waits else None,
        is_master=holds and allocation.agent_store is None,
        timeout=timedelta(seconds=seconds),
        wait_for_workers=waits,
    )
    return store if allocation.agent_store is None else PrefixStore(allocation.agent_store, store)


def join(allocation: Allocation) -> Shared:
    """Meets the other processes of this run. Raises DeviceError when they do not come."""
    if allocation.processes == 1:
        return Single()
    try:
        store = open_store(allocation, holds=allocation.rank == 0, seconds=MEETING_SECONDS, waits=True)
    except RuntimeError as error:
        raise DeviceError(
            "processLost",
            f"The {allocation.processes} processes of this run could not meet at {allocation.master_address} port "
            f"{allocation.master_port} ({' '.join(str(error).split())[:300]}). Check that the interface named by "
            "GLOO_SOCKET_IFNAME exists on every node (furo_infer check shows it), then run the job again.",
        ) from error
    return StoreShared(store, allocation.rank, allocation.processes)
