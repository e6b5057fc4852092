"""Which line of which shard holds, and one results.jsonl out of all of them.

Two steps change what holds, and each is done or not done: appending to results.superseded.jsonl, and replacing
results.jsonl. A shard is removed only after that. So a run may be killed anywhere: the next look finds every line that
holds exactly once. Texts stay on disk; what is held in memory for a line is its place (33 bytes) and its id.

Knows summaries of lines; does not know engines or jobs. Never imports torch.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ._files import TEMPORARY, LineFile, output_refused, replace_file, sync_folder
from ._shards import RESULTS, SUPERSEDED, Summary, digest_of, lock_shards, shard_paths, summary_of, whole_lines

__all__ = ["Catalog", "Merged", "Wanted", "merge_results"]

# Shard number and offset share one 64-bit number: 2^16 shards of up to 2^47 bytes (128 TiB).
OFFSET_BITS = 47
NOWHERE = -1
ASIDE_LINES = 1000


class Wanted(Protocol):
    """A record as far as its line of results is concerned. `request_sha256` may be the beginning of the hash."""

    @property
    def id(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def request_sha256(self) -> str: ...


@dataclass(frozen=True)
class Merged:
    """`lines` in results.jsonl after the merge, `failed` of them with an error; `superseded` lines were set aside by
    it. `rewritten` is False when everything was in order already."""

    lines: int
    failed: int
    superseded: int
    rewritten: bool


class Catalog:
    """Which line of which shard holds for each id.

    With `records` a line holds when it answers the very same request, and the order is theirs. Without, of several
    lines with one id the latest attempt holds, and the order is that of the line numbers in the input. Among equals an
    answer is better than an error, then the first one is taken. `dropped(summary)` may refuse a line that holds.
    `attempts` is how often each id was tried in vain, by lines that no longer hold. `paths` are all shards unless told;
    `input_lines` are those of today's input, where a line may still tell that of an earlier one."""

    def __init__(
        self,
        folder: Path,
        records: Sequence[Wanted] | None = None,
        dropped: Callable[[Summary], bool] = lambda _: False,
        paths: Sequence[Path] | None = None,
        input_lines: Mapping[str, int] | None = None,
    ) -> None:
        self.folder = folder
        self.paths = shard_paths(folder) if paths is None else paths
        self._records = records
        self._is_dropped = dropped
        self._todays_lines = input_lines or {}
        self._slots: dict[str, int] = {record.id: slot for slot, record in enumerate(records or ())}
        count = len(self._slots)
        self._places = array("q", [NOWHERE]) * count
        self._sizes = array("q", [0]) * count
        self._attempts = array("q", [0]) * count
        self._input_lines = array("q", (record.line for record in records or ()))
        self._failed = bytearray(count)
        self._aside = array("q")
        self.attempts: dict[str, int] = {}
        self._repeated = 0
        self._dead = self._read_superseded()
        with self._open_shards() as read:
            for number, path in enumerate(self.paths):
                for offset, line in whole_lines(path):
                    self._take(number << OFFSET_BITS | offset, line, read)

    @property
    def lines(self) -> int:
        return len(self._places) - self._places.count(NOWHERE)

    @property
    def failed(self) -> int:
        return sum(self._failed)

    @property
    def superseded(self) -> int:
        """Lines that stand in a shard and no longer hold."""
        return len(self._aside) // 2

    def holds(self, slot: int) -> bool:
        """Whether record number `slot`, from 0, has a line."""
        return self._places[slot] != NOWHERE

    def merge(self, *, ordered: bool = True) -> Merged:
        """Brings every line that holds into results.jsonl and removes the other shards; where there is nothing to
        bring or to remove, only the wrong order is a reason to write. The shards must be locked since before they were
        read (`lock_shards`). Raises OutputError."""
        order = self._order()
        if not self._needs_writing(order if ordered else None):
            with contextlib.suppress(OSError):  # What a killed merge left; it holds nothing that is not elsewhere.
                (self.folder / (RESULTS + TEMPORARY)).unlink()
            return Merged(self.lines, self.failed, 0, False)
        self._set_aside()
        replace_file(self.folder / RESULTS, lambda file: self._write(file, order))
        self._remove_shards()
        return Merged(self.lines, self.failed, self.superseded, True)

    def _read_superseded(self) -> set[bytes]:
        """Digests of the lines that were set aside; `attempts` is filled with the highest attempt of each id."""
        digests: set[bytes] = set()
        for _, line in whole_lines(self.folder / SUPERSEDED):
            digests.add(digest_of(line))
            self._count_attempt(summary_of(line))
        return digests

    def _count_attempt(self, summary: Summary | None) -> None:
        if summary is not None:
            self.attempts[summary.id] = max(summary.attempt, self.attempts.get(summary.id, 0))

    def _take(self, place: int, line: bytes, read: Callable[[int, int], bytes]) -> None:
        if self._dead and digest_of(line) in self._dead:
            self._repeated += 1
            return
        summary = summary_of(line)
        slot = None if summary is None else self._slot_of(summary)
        if summary is None or slot is None or self._is_dropped(summary):
            self._aside.extend((place, len(line)))
            self._count_attempt(summary)
            return
        held, size = self._places[slot], self._sizes[slot]
        if held == NOWHERE:
            self._hold(slot, place, line, summary)
        elif size == len(line) and read(held, size) == line:
            self._repeated += 1
        elif (summary.attempt, summary.code is None) > (self._attempts[slot], not self._failed[slot]):
            self._aside.extend((held, size))
            self._hold(slot, place, line, summary)
        else:
            self._aside.extend((place, len(line)))

    def _slot_of(self, summary: Summary) -> int | None:
        slot = self._slots.get(summary.id)
        if self._records is not None:
            same = slot is not None and summary.request_sha256.startswith(self._records[slot].request_sha256)
            return slot if same else None
        if slot is None:
            slot = self._slots[summary.id] = len(self._places)
            for values, value in ((self._places, NOWHERE), (self._sizes, 0), (self._attempts, 0)):
                values.append(value)
            self._input_lines.append(0)
            self._failed.append(0)
        return slot

    def _hold(self, slot: int, place: int, line: bytes, summary: Summary) -> None:
        self._places[slot], self._sizes[slot] = place, len(line)
        self._attempts[slot] = summary.attempt
        self._input_lines[slot] = self._todays_lines.get(summary.id, summary.line)
        self._failed[slot] = summary.code is not None

    def _order(self) -> Sequence[int]:
        slots = range(len(self._places))
        return slots if self._records is not None else sorted(slots, key=self._input_lines.__getitem__)

    def _needs_writing(self, order: Iterable[int] | None) -> bool:
        if any(path.name != RESULTS for path in self.paths) or self._aside or self._repeated:
            return True
        last = NOWHERE
        for slot in order or ():
            if self._places[slot] != NOWHERE:
                if self._places[slot] < last:
                    return True
                last = self._places[slot]
        return False

    def _set_aside(self) -> None:
        if not self._aside:
            return
        with self._open_shards() as read, LineFile(self.folder / SUPERSEDED) as aside:
            for start in range(0, len(self._aside), 2 * ASIDE_LINES):
                numbers = self._aside[start : start + 2 * ASIDE_LINES]
                lines = [read(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
                aside.append((line.decode("utf-8", "replace") for line in lines), durable=False)
            aside.sync()

    def _write(self, file: BinaryIO, order: Iterable[int]) -> None:
        with self._open_shards() as read:
            for slot in order:
                if self._places[slot] != NOWHERE:
                    file.write(read(self._places[slot], self._sizes[slot]) + b"\n")

    @contextlib.contextmanager
    def _open_shards(self) -> Iterator[Callable[[int, int], bytes]]:
        with ExitStack() as opened:
            try:
                files = [opened.enter_context(path.open("rb")) for path in self.paths]
            except OSError as error:
                raise output_refused(self.folder, error) from error

            def read(place: int, size: int) -> bytes:
                file = files[place >> OFFSET_BITS]
                file.seek(place & ((1 << OFFSET_BITS) - 1))
                return file.read(size)

            yield read

    def _remove_shards(self) -> None:
        try:
            for path in self.paths:
                if path.name != RESULTS:
                    path.unlink()
            sync_folder(self.folder)
        except OSError as error:
            raise output_refused(self.folder, error) from error


def merge_results(folder: Path, records: Sequence[Wanted] | None = None) -> Merged:
    """One results.jsonl in the order of the input out of all shards of `folder`.

    Called by one process, after every other has closed its `Results`. Raises OutputError, `outputInUse` when one has
    not."""
    with lock_shards(folder):
        return Catalog(folder, records).merge()
