"""The processes of a replica as threads, linked by sends that return only when they were received.

Stands in for NCCL, whose sends may wait like that; gloo buffers and would hide a circle of waiting sends. Only the
tokens that return to the leader are buffered, as they are over gloo in a real run.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import torch

from furo_infer.engines._links import Place

WAIT_SECONDS = 20.0


class _Channel:
    """One direction between two processes; `put` waits until the other side has taken."""

    def __init__(self) -> None:
        self._given: queue.Queue[torch.Tensor] = queue.Queue()
        self._taken: queue.Queue[None] = queue.Queue()

    def put(self, tensor: torch.Tensor) -> None:
        self._given.put(tensor.clone())
        self._taken.get(timeout=WAIT_SECONDS)

    def take(self, tensor: torch.Tensor) -> None:
        given = self._given.get(timeout=WAIT_SECONDS)
        assert given.shape == tensor.shape, f"expected {tuple(tensor.shape)}, was sent {tuple(given.shape)}"
        assert given.dtype == tensor.dtype
        tensor.copy_(given)
        self._taken.put(None)


class Replica:
    """`stages` x `parts` places and what links them."""

    def __init__(self, stages: int, parts: int) -> None:
        self.places = [Place(stage, stages, part, parts) for stage in range(stages) for part in range(parts)]
        self.channels: dict[tuple[str, int, int], _Channel] = {}
        self.tokens: queue.Queue[torch.Tensor] = queue.Queue()
        self.sums = [_Sum(parts) for _ in range(stages)]
        for stage in range(stages):
            for part in range(parts):
                for kind in ("command", "hidden", "share"):
                    self.channels[kind, stage, part] = _Channel()

    def run(self, body: Callable[[RendezvousLinks], Any]) -> list[Any]:
        """`body(links)` at every place at once; what each returned. Raises the first failure."""
        results: list[Any] = [None] * len(self.places)
        failures: list[Exception] = []

        def at(index: int) -> None:
            try:
                results[index] = body(RendezvousLinks(self, self.places[index]))
            except Exception as error:  # noqa: BLE001 - raised again in the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=at, args=(index,), daemon=True) for index in range(len(self.places))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        if failures:
            raise failures[0]
        assert not any(thread.is_alive() for thread in threads), "a process waits for ever"
        return results


class _Sum:
    def __init__(self, parts: int) -> None:
        self._parts = parts
        self._given: list[torch.Tensor | None] = [None] * parts
        self._barrier = threading.Barrier(parts)

    def of(self, part: int, tensor: torch.Tensor) -> torch.Tensor:
        self._given[part] = tensor
        self._barrier.wait(WAIT_SECONDS)
        total = torch.stack([one for one in self._given if one is not None]).sum(dim=0)
        self._barrier.wait(WAIT_SECONDS)
        return total


class RendezvousLinks:
    def __init__(self, replica: Replica, place: Place) -> None:
        self._replica = replica
        self.place = place

    def share(self, tensor: torch.Tensor) -> None:
        if self.place.part > 0:
            self._channel("share", 0, self.place.part).take(tensor)
            return
        for part in range(1, self.place.parts):
            self._channel("share", 0, part).put(tensor)

    def send_command(self, tensor: torch.Tensor) -> None:
        self._channel("command", self.place.stage + 1, self.place.part).put(tensor)

    def receive_command(self, tensor: torch.Tensor) -> None:
        self._channel("command", self.place.stage, self.place.part).take(tensor)

    def send_hidden(self, tensor: torch.Tensor) -> None:
        self._channel("hidden", self.place.stage + 1, self.place.part).put(tensor)

    def receive_hidden(self, tensor: torch.Tensor) -> None:
        self._channel("hidden", self.place.stage, self.place.part).take(tensor)

    def return_tokens(self, tensor: torch.Tensor) -> None:
        self._replica.tokens.put(tensor.clone())

    def receive_tokens(self, tensor: torch.Tensor) -> None:
        tensor.copy_(self._replica.tokens.get(timeout=WAIT_SECONDS))

    def add_up(self, tensor: torch.Tensor) -> torch.Tensor:
        return self._replica.sums[self.place.stage].of(self.place.part, tensor)

    def _channel(self, kind: str, stage: int, part: int) -> _Channel:
        return self._replica.channels[kind, stage, part]
