"""Admission and schedule of one replica: which records are in flight, and what the next step of each micro-batch is.

A row that ends is filled anew at once, so that short answers do not wait for long ones. With several stages, as many
micro-batches are on their way, each with at most one step in flight.

Knows rows and commands; does not know models. The answers do not depend on anything decided here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from .._errors import DeviceError
from .._plan import PREFILL_TOKENS
from ._batch import Batch
from ._commands import GOES_ON, OUT_OF_MEMORY, Command, Kind
from ._rows import BROKEN, Row, failed
from ._tokens import Tokens, short
from .base import Request, Watch, Work

__all__ = ["MOST_PADDING", "REDONE", "Leader", "Limits", "Steps"]

REDONE = "redone_in_float32"
# Room in the cache grows by a quarter and at least by this, so that it is copied seldom.
COLUMN_STEP = 64
# Tokens of padding that one prefill may compute; a further prefill costs about as much as this.
MOST_PADDING = 64
NOT_FINITE = (
    "The model computed numbers that are not finite, in float32 too; its weights or this prompt are broken for it."
)


@dataclass
class Limits:
    """For one micro-batch: `rows`; `kv_tokens` that its cache may hold, None for no limit; `prefill_tokens` that are
    computed at once, padding included. With `in_pieces` a longer prompt comes in pieces of so many. A row that
    grows beyond `turns_at` tokens is computed anew then."""

    rows: int
    kv_tokens: int | None = None
    micro_batches: int = 1
    prefill_tokens: int = PREFILL_TOKENS
    in_pieces: bool = True
    turns_at: int | None = None


class Steps(Protocol):
    """The processes of a replica, as its leader sees them."""

    def lead(self, command: Command, tokens: torch.Tensor | None) -> torch.Tensor | None:
        """Carries out one step; the chosen tokens, or None when they will come over the links."""
        ...


class Leader:
    """`receive(rows)` waits for the tokens of a step that `steps.lead` did not return; `index_of` gives the number
    of a record in the input; `widens` says that float32 is wider than what the model runs in."""

    def __init__(
        self,
        steps: Steps,
        receive: Callable[[int], torch.Tensor],
        tokens: Tokens,
        limits: Limits,
        index_of: Callable[[Request], int],
        *,
        widens: bool,
        by_itself: bool,
    ) -> None:
        self._steps = steps
        self._receive = receive
        self._tokens = tokens
        self._limits = limits
        self._index_of = index_of
        self._widens = widens
        self._by_itself = by_itself
        self._again: deque[Request] = deque()
        self._alone: deque[Request] = deque()
        self._broken: deque[Request] = deque()
        self._wide = False
        # Of the records whose step met the end of memory, by their numbers: the limit of rows before.
        self._rows_before: dict[int, int] = {}

    def run(self, work: Work, watch: Watch) -> None:
        """Until nothing is left. Records whose numbers overflowed are done last, in float32."""
        self._run_all(work, watch)
        if self._broken and not watch.stopped():
            self._wide = True
            self._again, self._broken = self._broken, deque()
            self._run_all(work, watch)
        self._steps.lead(Command(Kind.END), None)

    def _run_all(self, work: Work, watch: Watch) -> None:
        batches = [Batch(number) for number in range(self._limits.micro_batches)]
        while self._round(batches, work, watch):
            pass

    def _round(self, batches: list[Batch], work: Work, watch: Watch) -> bool:
        """One step of every micro-batch; False when all are idle."""
        busy = False
        for batch in batches:
            if batch.sent is not None:
                self._take_tokens(batch, work)
            if watch.stopped():
                continue
            command = self._next(batch, work)
            if command is None:
                continue
            busy = True
            batch.sent = command
            try:
                batch.chosen = self._steps.lead(command, self._input(command, batch))
            except (RuntimeError, ValueError, IndexError) as error:
                self._after_error(batch, work, error)
            watch.stepped(sum(len(row.generated) for one in batches for row in one.live))
        return busy

    def _next(self, batch: Batch, work: Work) -> Command | None:
        """New rows first, because an empty slot is time lost; then one token for every row."""
        if batch.partial is not None:
            return self._command(batch, [batch.partial], [batch.slots.index(batch.partial)], [])
        if any(self._turns(row) for row in batch.live):
            self._give_way(batch)
        turning = next((row for row in batch.live if self._turns(row)), None)
        if turning is not None:
            turning.has_turned = True
            moves = batch.close_gaps()
            self._make_room(batch)
            return self._command(batch, [turning], [batch.slots.index(turning)], moves)
        new = [Row(request, self._tokens) for request in self._admit(batch, work)]
        slots = [batch.put(row) for row in new]
        if not new:
            self._give_way(batch)
        moves = batch.close_gaps()
        if not batch.slots:
            batch.rows = batch.columns = 0
            return None
        self._make_room(batch)
        return self._command(batch, new, slots, moves)

    def _turns(self, row: Row) -> bool:
        turns_at = self._limits.turns_at
        return turns_at is not None and not row.has_turned and row.request.tokens <= turns_at < row.length

    def _command(self, batch: Batch, new: list[Row], slots: list[int], moves: list[tuple[int, int]]) -> Command:
        rows = batch.sent_rows = new or batch.live
        places = [row.length if new else row.length - 1 for row in rows]
        start, piece = batch.computed, self._limits.prefill_tokens
        more = bool(new) and self._limits.in_pieces and max(places) - start > piece  # such a row came alone
        if more:
            places = [start + piece]
        batch.partial, batch.computed = (new[0], places[0]) if more else (None, 0)
        return Command(
            Kind.PREFILL if new else Kind.DECODE,
            batch.number,
            batch.rows,
            batch.columns,
            kept=len(batch.slots),
            wide=self._wide,
            start=start,
            more=more,
            places=places,
            slots=slots,
            records=[GOES_ON if row.generated else self._index_of(row.request) for row in new],
            moves=moves,
        )

    def _admit(self, batch: Batch, work: Work) -> list[Request]:
        live = batch.live
        if self._alone:  # one of these made a step fail; whose fault it was shows when each runs by itself
            return [] if live else [self._alone.popleft()]
        limits = self._limits
        admitted: list[Request] = []
        longest, widest, used = max((row.length for row in live), default=0), 0, 0
        while len(live) + len(admitted) < limits.rows:
            request = self._again.popleft() if self._again else self._take_one(work)
            if request is None:
                break
            longest, widest = max(longest, request.tokens), max(widest, request.tokens)
            used += request.tokens
            count = len(live) + len(admitted) + 1
            full = limits.kv_tokens is not None and count * _rounded(longest + COLUMN_STEP) > limits.kv_tokens
            computed = (len(admitted) + 1) * widest
            much = computed > limits.prefill_tokens or computed - used > MOST_PADDING
            if count > 1 and (full or (admitted and much)):
                self._again.appendleft(request)
                break
            admitted.append(request)
        return admitted

    def _take_one(self, work: Work) -> Request | None:
        taken = [] if self._wide else work.take(1)
        return taken[0] if taken else None

    def _give_way(self, batch: Batch) -> None:
        """Where the cache gets too small for all rows to grow, the youngest begin again later."""
        kv_tokens = self._limits.kv_tokens
        while kv_tokens is not None and len(live := batch.live) > 1:
            if len(live) * max(row.length for row in live) <= kv_tokens:
                return
            youngest = min(live, key=lambda row: len(row.generated))
            batch.remove(youngest)
            self._again.appendleft(youngest.request)

    def _make_room(self, batch: Batch) -> None:
        live, kv_tokens = batch.live, self._limits.kv_tokens
        needed, most = max(row.length for row in live), max(row.longest for row in live)
        crowded = kv_tokens is not None and max(batch.rows, len(live)) * batch.columns > kv_tokens
        if needed > batch.columns or most < batch.columns // 2 or crowded:
            batch.columns = max(needed, min(most, _rounded(needed + max(needed // 4, COLUMN_STEP))))
            if kv_tokens is not None:
                batch.columns = max(needed, min(batch.columns, kv_tokens // len(live)))
            fitting = self._limits.rows if kv_tokens is None else kv_tokens // batch.columns
            batch.rows = max(len(live), min(self._limits.rows, fitting))
        batch.rows = max(batch.rows, len(live))

    def _input(self, command: Command, batch: Batch) -> torch.Tensor:
        """(rows, width) tokens: prompts or a piece, filled up on the right, or the last token of each row."""
        if command.kind is Kind.DECODE:
            return torch.tensor([[row.generated[-1]] for row in batch.sent_rows])
        tokens = torch.full((len(batch.sent_rows), command.width), self._tokens.pad_token, dtype=torch.long)
        for index, row in enumerate(batch.sent_rows):
            ids = (*row.request.ids, *row.generated)[command.start : command.places[index]]
            tokens[index, : len(ids)] = torch.tensor(ids)
        return tokens

    def _take_tokens(self, batch: Batch, work: Work) -> None:
        chosen = self._receive(len(batch.sent_rows)) if batch.chosen is None else batch.chosen
        sent = batch.sent
        more = sent is not None and sent.more
        batch.sent, batch.chosen = None, None
        if int(chosen[0]) == OUT_OF_MEMORY:
            filling = batch.sent_rows if sent is not None and sent.kind is Kind.PREFILL else []
            self._after_out_of_memory(batch, filling, work)
            return
        if more:
            return
        for row, token in zip(batch.sent_rows, chosen.tolist(), strict=True):
            if sent is not None and sent.kind is Kind.PREFILL:
                self._rows_before.pop(self._index_of(row.request), None)
            if token == BROKEN:
                batch.remove(row)
                if self._widens and not self._wide:
                    self._broken.append(row.request)
                else:
                    work.tell(row.request, failed(row.request, "not_finite", NOT_FINITE))
            elif row.add(token) is not None:
                batch.remove(row)
                work.tell(row.request, row.answer((REDONE,) if self._wide else ()))

    def _after_out_of_memory(self, batch: Batch, filling: list[Row], work: Work) -> None:
        """Half the rows from now on; those beyond begin again. A row that does not fit alone is given up, and the
        others get back the rows that were taken from them for its sake."""
        live, asked = batch.live, batch.rows
        batch.partial, batch.computed = None, 0
        batch.rows = batch.columns = 0  # the cache is asked for anew, and smaller
        if len(live) == asked == 1:
            batch.remove(live[0])
            self._limits.rows = self._rows_before.pop(self._index_of(live[0].request), self._limits.rows)
            text = "One row alone does not fit into the memory of the GPU. Shorten the prompt or use more GPUs for it."
            work.tell(live[0].request, failed(live[0].request, "out_of_memory", text))
            return
        for row in filling or live:
            self._rows_before.setdefault(self._index_of(row.request), self._limits.rows)
        # The cache is asked for with room for rows that are not there yet.
        fewer = asked // 2 if asked > len(live) else len(live) // 2
        self._limits.rows = max(1, min(self._limits.rows, fewer))
        for row in reversed(live):  # what a half step has written is written again
            if row in filling or len(batch.live) > self._limits.rows:
                batch.remove(row)
                self._again.appendleft(row.request)

    def _after_error(self, batch: Batch, work: Work, error: Exception) -> None:
        if "CUDA error" in str(error):
            raise DeviceError("deviceFailed", f"The GPU failed: {short(error)} Run the job again.") from error
        if not self._by_itself:
            raise error
        live = batch.live
        batch.slots, batch.sent, batch.chosen, batch.partial, batch.computed = [], None, None, None, 0
        if len(live) == 1:
            work.tell(live[0].request, failed(live[0].request, "generation_failed", short(error)))
        else:
            self._alone.extend(row.request for row in live)


def _rounded(columns: int) -> int:
    return -(-columns // COLUMN_STEP) * COLUMN_STEP
