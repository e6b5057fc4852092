"""Append-only files of whole lines: one write per append, a torn last line repaired at the start. Small files that
are replaced whole or not at all.

Knows bytes and paths; does not know what the lines say.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ._errors import OutputError

__all__ = ["LineFile", "make_folder", "output_refused", "replace_file", "sync_folder", "write_atomically"]

TAIL_STEP = 1 << 16
TEMPORARY = ".tmp"


def output_refused(path: Path, error: OSError) -> OutputError:
    return OutputError(
        "outputNotWritable",
        f"The results cannot be written to {path}: {error.strerror or error}. "
        "Free some space or choose another output folder, then run the job again; what is there is kept.",
    )


def make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_refused(path, error) from error


def sync_folder(folder: Path) -> None:
    """Waits until names that were made, replaced or removed in `folder` are on disk. Some network file systems refuse
    to sync a folder; they keep names without being asked."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def replace_file(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Gives `path` what `write` writes: whoever looks, or whenever we are killed, sees all of it or what was before.
    Raises OutputError; the half-written copy is then removed."""
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise output_refused(path, error) from error


def write_atomically(path: Path, text: str) -> None:
    """`text` as the whole of `path`, in UTF-8. Raises OutputError."""
    data = text.encode("utf-8")

    def write(file: BinaryIO) -> None:
        file.write(data)

    replace_file(path, write)


class LineFile:
    """Appends with O_APPEND, so that a reader only ever sees a prefix of whole lines and at most one torn one.

    `locked` keeps every other writer away, and does so before the torn tail is cut: what looks torn may be a line that
    a live run is just writing."""

    def __init__(self, path: Path, *, locked: bool = False) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise output_refused(path, error) from error
        try:
            if locked:
                self.lock()
            self.repaired_bytes = self._drop_torn_tail()
        except OSError as error:
            self.close()
            raise output_refused(path, error) from error
        except OutputError:
            self.close()
            raise

    def __enter__(self) -> LineFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._descriptor)

    def lock(self) -> None:
        """Keeps a second run away from this output. Where the file system knows no locks, nothing happens."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                "outputInUse",
                f"Another run is writing to {self.path.parent}. Wait for it or cancel it, or choose another output.",
            ) from error
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL):
                raise output_refused(self.path, error) from error

    def append(self, lines: Iterable[str], *, durable: bool = True) -> None:
        """Writes `lines`, each without its line break, as one piece; `durable` waits for the disk."""
        data = "".join(line + "\n" for line in lines).encode("utf-8")
        if not data:
            return
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            raise output_refused(self.path, error) from error
        if durable:
            self.sync()

    def sync(self) -> None:
        """Waits for the disk, so that what was appended outlives the machine too."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # A device or pipe has no disk to wait for.
                raise output_refused(self.path, error) from error

    def _drop_torn_tail(self) -> int:
        """Cuts what follows the last line break. A device or pipe has no length and is left alone."""
        size = os.fstat(self._descriptor).st_size
        keep = size
        while keep > 0:
            step = min(TAIL_STEP, keep)
            at = os.pread(self._descriptor, step, keep - step).rfind(b"\n")
            if at >= 0:
                keep = keep - step + at + 1
                break
            keep -= step
        if keep < size:
            os.ftruncate(self._descriptor, keep)
        return size - keep
