"""Append-only files of whole lines: one write per append, a torn last line repaired at the start.

Knows bytes and paths; does not know what the lines say.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from ._errors import OutputError

__all__ = ["LineFile", "make_folder", "output_refused"]

TAIL_STEP = 1 << 16


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


class LineFile:
    """Appends with O_APPEND, so that a reader only ever sees a prefix of whole lines and at most one torn one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self.repaired_bytes = self._drop_torn_tail()
        except OSError as error:
            raise output_refused(path, error) from error

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
            if durable:
                os.fsync(self._descriptor)
        except OSError as error:
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
