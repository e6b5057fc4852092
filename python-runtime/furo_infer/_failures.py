"""Watches for other processes that have failed, while the main thread may wait for a tensor that never comes.

Knows what processes share; does not know how a run ends.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ._replicas import Shared, Single

__all__ = ["watch_failures"]

WATCH_SECONDS = 0.5


@contextlib.contextmanager
def watch_failures(shared: Shared, on_lost: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Within the block, calls `on_lost` from a thread as soon as another process has failed."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(WATCH_SECONDS):
            cause = shared.failure()
            if cause is not None and cause["rank"] != 0:
                on_lost(cause)

    if isinstance(shared, Single):
        yield
        return
    watcher = threading.Thread(target=watch, name="failures", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()  # It must not tell of a failure after the end. Rank 0 holds the store, so this is short.
