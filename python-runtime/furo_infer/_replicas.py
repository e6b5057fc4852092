"""Copies of a model over one stream of records: what the processes of a run tell each other beside tensors.

The replicas take records one by one from a common list, so that none is idle while there is work. Knows counters
and bytes in a store; does not know models. torch is imported only when there is more than one process.
"""

from __future__ import annotations

import array
import json
import socket
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from ._allocation import Allocation
from ._errors import DeviceError, FuroInferError

__all__ = ["Shared", "Single", "StoreShared", "cause_of", "join"]

# The model files may come slowly to some node; after this a process that has not come is taken as lost.
MEETING_SECONDS = 600.0
POLL_SECONDS = 0.2


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

    def leave(self, peak_bytes: int) -> None:
        """This process has ended its part, and used `peak_bytes` of its device's memory at most."""
        ...

    def peaks(self) -> list[int]:
        """The `peak_bytes` of the ranks that have left, in their order."""
        ...

    def wait_for_all(self, between: Callable[[], None]) -> None:
        """By rank 0: until every process has left; `between` is called now and then."""
        ...

    def tell_failure(self, cause: dict[str, Any]) -> None: ...

    def failure(self) -> dict[str, Any] | None:
        """What the first process that failed has told."""
        ...


class Single:
    """One process: nothing to share."""

    def __init__(self) -> None:
        self._order: Sequence[int] = ()
        self._next = 0
        self._totals = [0, 0, 0, 0]
        self._peaks: list[int] = []

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
        done, failed, tokens, tokens_in = self._totals
        return done, failed, tokens, tokens_in

    def leave(self, peak_bytes: int) -> None:
        self._peaks = [peak_bytes]

    def peaks(self) -> list[int]:
        return self._peaks

    def wait_for_all(self, between: Callable[[], None]) -> None:
        """Nobody to wait for."""

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

    def leave(self, peak_bytes: int) -> None:
        self.store.set(f"peak {self._rank}", str(peak_bytes))
        self.store.add("left", 1)

    def peaks(self) -> list[int]:
        names = [f"peak {rank}" for rank in range(self._processes)]
        return [int(self.store.get(name)) for name in names if self.store.check([name])]

    def wait_for_all(self, between: Callable[[], None]) -> None:
        while int(self.store.add("left", 0)) < self._processes:
            self._raise_if_failed()
            between()
            time.sleep(POLL_SECONDS)

    def tell_failure(self, cause: dict[str, Any]) -> None:
        if int(self.store.add("failures", 1)) == 1:
            self.store.set("failure", json.dumps(cause))

    def failure(self) -> dict[str, Any] | None:
        if not self.store.check(["failure"]):
            return None
        cause: dict[str, Any] = json.loads(self.store.get("failure"))
        return cause

    def _raise_if_failed(self) -> None:
        cause = self.failure()
        if cause is not None:
            raise DeviceError("processLost", f"Rank {cause['rank']} on {cause['host']} failed: {cause['message']}")


def cause_of(error: Exception, rank: int) -> dict[str, object]:
    """What all processes are told when one of them fails."""
    expected = isinstance(error, FuroInferError)
    return {
        "rank": rank,
        "host": socket.gethostname(),
        "reason": error.reason if isinstance(error, FuroInferError) else "defect",
        "message": str(error) if expected else f"{type(error).__name__}: {error}",
        "exit_code": error.exit_code if isinstance(error, FuroInferError) else 1,
    }


def join(allocation: Allocation) -> Shared:
    """Meets the other processes of this run. Raises DeviceError when they do not come."""
    if allocation.processes == 1:
        return Single()
    import torch.distributed as dist

    try:
        store = dist.TCPStore(  # type: ignore[attr-defined]
            allocation.master_address,
            allocation.master_port,
            allocation.processes,
            is_master=allocation.rank == 0,
            timeout=timedelta(seconds=MEETING_SECONDS),
        )
    except RuntimeError as error:
        raise DeviceError(
            "processLost",
            f"The {allocation.processes} processes of this run could not meet at {allocation.master_address} port "
            f"{allocation.master_port} ({' '.join(str(error).split())[:300]}). Check that the interface named by "
            "GLOO_SOCKET_IFNAME exists on every node (furo_infer check shows it), then run the job again.",
        ) from error
    return StoreShared(store, allocation.rank, allocation.processes)
