"""Links over torch.distributed: hidden states and sums over NCCL between GPUs and gloo between CPUs; commands and
tokens over gloo.

Knows ranks of the whole job. Every pair of neighbours has a group of its own, made by all processes in the same order
and used once before the work begins: NCCL makes the connection of a group at its first use, and processes that come
there in different orders wait for each other for ever.
"""

from __future__ import annotations

import os
import socket
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from .._errors import DeviceError
from ._devices import gpu_identity
from ._links import Place
from ._tokens import short

__all__ = ["GROUP_TIMEOUT_SECONDS", "Mesh", "TorchLinks", "join_mesh", "refuse_shared_gpus"]

# No step takes this long; a process that waits longer waits for one that hangs.
GROUP_TIMEOUT_SECONDS = float(os.environ.get("FURO_GROUP_TIMEOUT_SECONDS") or 900)


@dataclass(frozen=True)
class Mesh:
    """Ranks in the order replica, stage, part, the parts innermost: parts stay inside a node, stages cross nodes."""

    replicas: int
    stages: int
    parts: int

    def rank(self, replica: int, stage: int, part: int) -> int:
        return (replica * self.stages + stage) * self.parts + part

    def place(self, rank: int) -> tuple[int, Place]:
        """The replica of a rank, and its place there."""
        replica, inside = divmod(rank, self.stages * self.parts)
        stage, part = divmod(inside, self.parts)
        return replica, Place(stage, self.stages, part, self.parts)


class TorchLinks:
    """The links of one process. Foreign errors of the connection become one DeviceError, "processLost"."""

    def __init__(self, mesh: Mesh, rank: int, groups: dict[tuple[str, int], Any]) -> None:
        self._replica, self.place = mesh.place(rank)
        place = self.place
        stage_at = mesh.rank(self._replica, place.stage, 0)
        self._parts = groups.get(("parts", stage_at))
        self._shared = groups.get(("shared", mesh.rank(self._replica, 0, 0)))
        self._leader = mesh.rank(self._replica, 0, 0)
        self._chooser = mesh.rank(self._replica, place.stages - 1, 0)
        self._before = rank - mesh.parts
        self._after = rank + mesh.parts
        self._from_before = groups.get(("pair", self._before))
        self._to_after = groups.get(("pair", rank))
        self._sending: deque[tuple[Any, torch.Tensor]] = deque()

    def share(self, tensor: torch.Tensor) -> None:
        if self.place.parts > 1:
            _guard(lambda: dist.broadcast(tensor, self._leader, group=self._shared))

    def send_command(self, tensor: torch.Tensor) -> None:
        _guard(lambda: dist.send(tensor, self._after))

    def receive_command(self, tensor: torch.Tensor) -> None:
        _guard(lambda: dist.recv(tensor, self._before))

    def send_hidden(self, tensor: torch.Tensor) -> None:
        _guard(lambda: dist.send(tensor, self._after, group=self._to_after))

    def receive_hidden(self, tensor: torch.Tensor) -> None:
        _guard(lambda: dist.recv(tensor, self._before, group=self._from_before))

    def return_tokens(self, tensor: torch.Tensor) -> None:
        while self._sending and self._sending[0][0].is_completed():
            self._sending.popleft()
        # The tensor has to live until it is sent.
        self._sending.append((_guard(lambda: dist.isend(tensor, self._leader)), tensor))

    def receive_tokens(self, tensor: torch.Tensor) -> None:
        _guard(lambda: dist.recv(tensor, self._chooser))

    def add_up(self, tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.contiguous()
        _guard(lambda: dist.all_reduce(tensor, group=self._parts))
        return tensor


def join_mesh(mesh: Mesh, rank: int, store: Any, device: torch.device) -> TorchLinks:
    """Meets the other processes. Raises DeviceError "processLost" when one does not come in time, "gpuShared" when two
    have the same GPU."""
    timeout = timedelta(seconds=GROUP_TIMEOUT_SECONDS)
    world = mesh.replicas * mesh.stages * mesh.parts
    fast = "nccl" if device.type == "cuda" else "gloo"
    groups: dict[tuple[str, int], Any] = {}

    def make() -> None:
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=timeout)
        held: list[tuple[str, str] | None] = [None] * world
        own = (socket.gethostname(), gpu_identity(device.index)) if device.type == "cuda" else None
        dist.all_gather_object(held, own)
        refuse_shared_gpus(held)
        for replica in range(mesh.replicas):
            for stage in range(mesh.stages):
                ranks = [mesh.rank(replica, stage, part) for part in range(mesh.parts)]
                if mesh.parts > 1:
                    groups["parts", ranks[0]] = dist.new_group(ranks, backend=fast, timeout=timeout)
                    if stage == 0:
                        groups["shared", ranks[0]] = dist.new_group(ranks, backend="gloo", timeout=timeout)
                if stage + 1 < mesh.stages:
                    for sender in ranks:
                        pair = [sender, sender + mesh.parts]
                        groups["pair", sender] = dist.new_group(pair, backend=fast, timeout=timeout)

    _guard(make)
    links = TorchLinks(mesh, rank, groups)
    _guard(lambda: _use_once(links, device))
    return links


def refuse_shared_gpus(held: Sequence[tuple[str, str] | None]) -> None:
    """held[rank]: the node and the GPU of each process, None on a CPU. NCCL refuses a GPU that two processes have, in
    words of its own; replicas would each take all of its memory."""
    ranks: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for rank, place in enumerate(held):
        if place is not None:
            ranks[place].append(rank)
    for (host, _), sharing in ranks.items():
        if len(sharing) > 1:
            raise DeviceError(
                "gpuShared",
                f"The processes {', '.join(map(str, sharing))} have the same GPU of {host}. Start one process for each "
                "GPU of a node (with one GPU: mpirun --map-by ppr:1:node), or ask for a group with more GPUs.",
            )


def _use_once(links: TorchLinks, device: torch.device) -> None:
    one = torch.ones(1, device=device)
    if links.place.parts > 1:
        links.add_up(one.clone())
    if not links.place.is_first:
        links.receive_hidden(one)
    if not links.place.is_last:
        links.send_hidden(one)


def _guard(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except RuntimeError as error:
        raise DeviceError(
            "processLost",
            f"A process of this job has ended or cannot be reached any more ({short(error)}). Its own message says "
            "why. What was answered is kept; run the job again to go on.",
        ) from error
