"""One process of a replica: carries out the leader's commands on its own stage.

Knows stages, caches and links; does not know what answers say, nor which records are left.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from .._errors import DeviceError
from ._busy import Busy
from ._commands import GOES_ON, OUT_OF_MEMORY, Command, Kind, command_size
from ._links import Links
from ._rows import Chance, choose
from ._slab import SlabCache
from ._stage import Stage
from ._wide import in_float32

__all__ = ["Worker"]

PART_OUT_OF_MEMORY = (
    "A GPU ran out of memory in the middle of a step that it shares with others (tensor parallel). What was answered "
    "is kept. Set fewer rows (batch.rows) or shorter prompts, or use more GPUs for each replica, and run the job again."
)


class _NoRoom(torch.cuda.OutOfMemoryError):
    """The cache has no room, here or at another part of this stage; no sum is waited for."""


class Worker:
    """`chance_of` gives the random numbers of the input record with this index; asked where tokens are chosen."""

    def __init__(
        self, stage: Stage, links: Links, most_rows: int, chance_of: Callable[[int], Chance], pad_token: int
    ) -> None:
        self._stage = stage
        self._links = links
        self._most_rows = most_rows
        self._chance_of = chance_of
        self._pad_token = pad_token
        self._caches: dict[tuple[int, bool], SlabCache] = {}
        self._chances: dict[int, list[Chance | None]] = {}
        self.busy = Busy(stage.device)
        self.steps = {Kind.PREFILL: 0, Kind.DECODE: 0}
        # Rows that were computed at decoding steps; with `steps` it says how full the batches were.
        self.rows_decoded = 0

    @torch.inference_mode()
    def follow(self) -> None:
        """Carries out commands until the last one. For every process but the leader."""
        place = self._links.place
        buffer = torch.zeros(command_size(self._most_rows), dtype=torch.long)
        while True:
            if place.is_first:
                self._links.share(buffer)
            else:
                self._links.receive_command(buffer)
            command = Command.from_tensor(buffer)
            tokens = self._shared_tokens(command) if place.is_first and command.kind is not Kind.END else None
            chosen = self._carry_out(command, tokens)
            if chosen is not None:
                self._links.return_tokens(chosen)
            if command.kind is Kind.END:
                return

    @torch.inference_mode()
    def lead(self, command: Command, tokens: torch.Tensor | None) -> torch.Tensor | None:
        """Carries out `command` here and sends it on. tokens: (rows, width) int64 on the CPU.

        The chosen tokens, (rows,), when this process is the whole pipeline; else they come back over the links.
        """
        place = self._links.place
        if place.parts > 1:
            self._links.share(command.to_tensor(self._most_rows))
            if tokens is not None:
                self._links.share(tokens)
        return self._carry_out(command, tokens)

    def _shared_tokens(self, command: Command) -> torch.Tensor:
        tokens = torch.zeros((len(command.places), command.width), dtype=torch.long)
        self._links.share(tokens)
        return tokens

    def _carry_out(self, command: Command, tokens: torch.Tensor | None) -> torch.Tensor | None:
        place = self._links.place
        if command.kind is Kind.END:
            if not place.is_last:
                self._links.send_command(command.to_tensor(self._most_rows))
            return None
        given = tokens if place.is_first else self._receive_hidden(command)
        cache = self._cache(command)
        cache.move(command.moves)
        hidden: torch.Tensor | None = None
        if not command.failed and given is not None:
            try:
                self._make_room(command, cache)
                hidden = self._run_layers(command, given, cache)
            except torch.cuda.OutOfMemoryError as error:
                if place.parts > 1 and not isinstance(error, _NoRoom):
                    raise DeviceError("outOfMemory", PART_OUT_OF_MEMORY) from error
                command = command.after_failure()
                torch.cuda.empty_cache()
        if not place.is_last:
            self._send_on(command, hidden)
            return None
        return self._choose(command, hidden) if place.chooses else None

    def _receive_hidden(self, command: Command) -> torch.Tensor:
        shape = (len(command.places), command.width, self._stage.hidden_size)
        dtype = torch.float32 if command.wide else self._stage.dtype
        hidden = torch.empty(shape, dtype=dtype, device=self._stage.device)
        self._links.receive_hidden(hidden)
        return hidden

    def _send_on(self, command: Command, hidden: torch.Tensor | None) -> None:
        self._links.send_command(command.to_tensor(self._most_rows))
        if hidden is None:
            shape = (len(command.places), command.width, self._stage.hidden_size)
            hidden = torch.zeros(
                shape, dtype=torch.float32 if command.wide else self._stage.dtype, device=self._stage.device
            )
        self._links.send_hidden(hidden.contiguous())

    def _make_room(self, command: Command, cache: SlabCache) -> None:
        """All parts of a stage get room for this step, or all raise."""
        if (cache.rows, cache.columns) == (command.rows, command.columns):
            return
        failed = torch.zeros(1, device=self._stage.device)
        try:
            cache.resize(command.rows, command.columns, command.kept)
        except torch.cuda.OutOfMemoryError:
            failed += 1
        if self._links.place.parts > 1:
            failed = self._links.add_up(failed)
        if bool(failed.any()):
            # A part that had room for it asks again next time, like those that had none.
            cache.rows = cache.columns = 0
            raise _NoRoom("the cache of this step does not fit into the memory of the GPU")

    def _run_layers(self, command: Command, given: torch.Tensor, cache: SlabCache) -> torch.Tensor:
        device = self._stage.device
        if command.kind is Kind.PREFILL:
            cache.begin_prefill(command.slots, command.places, command.start)
            positions = torch.arange(command.start, command.start + command.width, device=device)
            # Filling must not look like a longer row to positions that turn with the length.
            positions = torch.minimum(positions, torch.tensor(command.places, device=device)[:, None] - 1)
        else:
            cache.begin_decoding(command.places)
            positions = torch.tensor(command.places, device=device)[:, None]
            self.rows_decoded += len(command.places)
        self.steps[command.kind] += 1
        with self.busy.step(), in_float32(self._stage.weighted if command.wide else ()):
            hidden = self._stage.forward(given.to(device), positions, cache)
            return self._logits(command, hidden) if self._links.place.is_last and not command.more else hidden

    def _logits(self, command: Command, hidden: torch.Tensor) -> torch.Tensor:
        if command.kind is Kind.PREFILL:  # only the last token of each prompt has a successor to be chosen
            last = torch.tensor(command.places, device=hidden.device) - command.start - 1
            hidden = hidden[torch.arange(len(command.places), device=hidden.device), last]
        else:
            hidden = hidden[:, 0]
        return self._stage.logits(hidden)

    def _choose(self, command: Command, logits: torch.Tensor | None) -> torch.Tensor:
        chances = self._chances.setdefault(command.batch, [])
        for source, target in command.moves:
            chances[target] = chances[source]
        chances.extend([None] * (command.rows - len(chances)))
        for slot, record in zip(command.slots, command.records, strict=True):
            if record != GOES_ON:
                chances[slot] = self._chance_of(record)
        if logits is None:
            return torch.full((len(command.places),), OUT_OF_MEMORY, dtype=torch.long)
        if command.more:  # the leader waits for an answer to every step
            return torch.zeros(len(command.places), dtype=torch.long)
        slots = command.slots if command.kind is Kind.PREFILL else range(len(command.places))
        own = [chance for slot in slots if (chance := chances[slot]) is not None]
        return torch.tensor(choose(logits, own), dtype=torch.long)

    def _cache(self, command: Command) -> SlabCache:
        key = (command.batch, command.wide)
        if key not in self._caches:
            dtype = torch.float32 if command.wide else self._stage.dtype
            self._caches[key] = SlabCache(self._stage.shapes, dtype, self._stage.device)
        return self._caches[key]
