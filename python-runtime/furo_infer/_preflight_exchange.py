"""Brings the reports of all ranks to rank 0, tries one exchange between them, and never waits for ever.

A store on rank 0 carries the reports, so that they arrive even where no group of ranks can be formed; a rank that
does not come is known by its number. Knows torch.distributed; judges nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from ._allocation import Allocation
from ._errors import DeviceError
from ._preflight_probe import RankReport
from ._replicas import open_store

__all__ = ["Meeting", "transports_of"]

# NCCL's own words at NCCL_DEBUG=INFO: "Using network IB", and "... [send] via NET/IB/0" or "via P2P/CUMEM" a channel.
USED = re.compile(r"(?:Using network (\w+)|via ((?:NET/)?[A-Za-z0-9]+))")
POLL_SECONDS = 0.2
LEAVE_SECONDS = 5.0  # How long rank 0 stays for the others to read the verdict.


def transports_of(text: str) -> list[str]:
    """The transports that a log of NCCL names: NET/IB, NET/Socket, P2P, SHM."""
    found = {f"NET/{network}" if network else channel for network, channel in USED.findall(text)}
    return sorted(found)


class Meeting:
    """All ranks of one start. `seconds` limits each wait. Raises DeviceError `rankAbsent` when rank 0 is not there."""

    def __init__(self, given: Allocation, seconds: float) -> None:
        self._given = given
        self._seconds = seconds
        try:
            self._store = self._connect(is_master=given.rank == 0)
        except RuntimeError as error:
            reason = str(error).strip().split("\n")[0]
            place = f"{given.master_address}:{given.master_port}"
            raise DeviceError(
                "rankAbsent",
                f"Rank {given.rank} on {os.uname().nodename} does not reach rank 0 at {place} ({reason}). Set "
                'MASTER_ADDR to the first line of "$PJM_O_NODEINF" and pass it on with mpirun -x MASTER_ADDR.',
            ) from error

    def _connect(self, *, is_master: bool) -> Any:
        """A store of its own for each thread: one that waits keeps others from using the same."""
        return open_store(self._given, holds=is_master, seconds=self._seconds, waits=False)

    def tell(self, key: str, text: str) -> None:
        self._store.set(f"{key}/{self._given.rank}", text)

    def hear(self, key: str) -> dict[int, str]:
        """What the ranks told under `key`, without those that said nothing in time."""
        end = time.monotonic() + self._seconds
        heard: dict[int, str] = {}
        for rank in range(self._given.processes):
            left = max(0.05, end - time.monotonic())
            text = self._wait(f"{key}/{rank}", left)
            if text is not None:
                heard[rank] = text
        return heard

    def announce(self, key: str, text: str) -> None:
        """Rank 0 tells all others."""
        self._store.set(key, text)

    def listen(self, key: str, waits: int) -> str | None:
        """What rank 0 announced; None when it did not within `waits` limits."""
        return self._wait(key, waits * self._seconds + LEAVE_SECONDS)

    def leave(self) -> None:
        """Rank 0 holds the store, so it goes last."""
        self.tell("left", "")
        if self._given.rank == 0:
            self._seconds = LEAVE_SECONDS
            self.hear("left")

    def exchange(self, seen: RankReport) -> None:
        """One all_reduce over gloo, and on GPUs one over NCCL. What came of it is in `seen`."""
        told: list[str] = []
        # A thread, because a group whose peers cannot be reached may wait longer than it was told to.
        worker = threading.Thread(target=self._exchange, args=(seen, told), daemon=True)
        worker.start()
        end = time.monotonic() + self._seconds
        while worker.is_alive() and time.monotonic() < end and not self._store.check(["failed"]):
            worker.join(POLL_SECONDS)
        worker.join(POLL_SECONDS)
        seen.exchange = told[0] if told else self._why_no_end()
        if seen.exchange != "ok" and not self._store.check(["failed"]):
            self._store.set("failed", str(self._given.rank))

    def _why_no_end(self) -> str:
        if not self._store.check(["failed"]):
            return f"no end within {self._seconds:g} s"
        return f"rank {self._store.get('failed').decode()} failed first"

    def _exchange(self, seen: RankReport, told: list[str]) -> None:
        try:
            self._sum_over("gloo", "cpu")
            if seen.gpus:
                with _nccl_log() as log:
                    self._sum_over("nccl", f"cuda:{min(seen.local_rank, seen.gpus - 1)}")
                    seen.transport = transports_of(log.read_text(errors="replace") if log.exists() else "")
        except Exception as error:  # noqa: BLE001 - whatever gloo or NCCL says belongs on the page
            told.append(str(error).strip().split("\n")[0] or type(error).__name__)
        else:
            told.append("ok")

    def _sum_over(self, backend: str, device: str) -> None:
        import torch
        import torch.distributed as dist
        from torch.distributed.distributed_c10d import PrefixStore

        given = self._given
        if device != "cpu":
            torch.cuda.set_device(torch.device(device))
        # Twice the limit: the watchdog of NCCL ends the whole process, and we want to tell before that.
        limit = timedelta(seconds=2 * self._seconds)
        store = PrefixStore(backend, self._connect(is_master=False))
        dist.init_process_group(backend, store=store, rank=given.rank, world_size=given.processes, timeout=limit)
        number = torch.tensor([given.rank + 1.0], device=device)
        dist.all_reduce(number)
        expected = given.processes * (given.processes + 1) / 2
        total = float(number.item())
        dist.destroy_process_group()
        if total != expected:
            raise RuntimeError(f"{backend} added up to {total:g} instead of {expected:g}")

    def _wait(self, key: str, seconds: float) -> str | None:
        try:
            self._store.wait([key], timedelta(seconds=seconds))
            text: str = self._store.get(key).decode()
        except RuntimeError:  # DistStoreError, and for a lost connection DistNetworkError, are both RuntimeErrors.
            return None
        return text


@contextlib.contextmanager
def _nccl_log() -> Iterator[Path]:
    """Lets NCCL write what it chooses into a file while the block runs. It reads the variables at its first use."""
    with tempfile.TemporaryDirectory(prefix="furo-nccl-") as folder:
        file = Path(folder) / "log"
        wanted = {"NCCL_DEBUG": "INFO", "NCCL_DEBUG_SUBSYS": "INIT,NET,GRAPH", "NCCL_DEBUG_FILE": str(file)}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield file
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
