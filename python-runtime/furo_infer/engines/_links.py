"""How the processes of one replica talk: commands and hidden states forward, tokens back, sums inside a stage.

Knows ranks and tensors; does not know models or records. Hidden states go one direction only and over groups of
their own; tokens return over gloo and never wait for the receiver, so that no circle of sends can block
(NCCL sends may wait until they are received).
"""

from __future__ import annotations

from typing import Protocol

import torch

__all__ = ["Alone", "Links", "Place"]


class Place:
    """Where a process stands in its replica: `stage` of `stages`, tensor-parallel `part` of `parts`."""

    def __init__(self, stage: int = 0, stages: int = 1, part: int = 0, parts: int = 1) -> None:
        self.stage, self.stages, self.part, self.parts = stage, stages, part, parts

    @property
    def is_first(self) -> bool:
        return self.stage == 0

    @property
    def is_last(self) -> bool:
        return self.stage == self.stages - 1

    @property
    def leads(self) -> bool:
        return self.stage == 0 and self.part == 0

    @property
    def chooses(self) -> bool:
        """Whether this process turns hidden states into tokens."""
        return self.is_last and self.part == 0


class Links(Protocol):
    """Sends of commands and hidden states may block until they are received; `return_tokens` may not."""

    place: Place

    def share(self, tensor: torch.Tensor) -> None:
        """From part 0 to the other parts of the first stage, in place. (n,) int64 on the CPU."""
        ...

    def send_command(self, tensor: torch.Tensor) -> None: ...

    def receive_command(self, tensor: torch.Tensor) -> None: ...

    def send_hidden(self, tensor: torch.Tensor) -> None:
        """(rows, tokens, hidden size) to the same part of the next stage."""
        ...

    def receive_hidden(self, tensor: torch.Tensor) -> None: ...

    def return_tokens(self, tensor: torch.Tensor) -> None:
        """From the process that chooses to the one that leads. (rows,) int64 on the CPU."""
        ...

    def receive_tokens(self, tensor: torch.Tensor) -> None: ...

    def add_up(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over the parts of this stage."""
        ...


class Alone:
    """One process is the whole replica: there is nobody to talk to."""

    def __init__(self) -> None:
        self.place = Place()

    def share(self, tensor: torch.Tensor) -> None:
        """The other parts are none."""

    def add_up(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def send_command(self, tensor: torch.Tensor) -> None:
        raise AssertionError("one stage sends nothing")

    receive_command = send_hidden = receive_hidden = return_tokens = receive_tokens = send_command
