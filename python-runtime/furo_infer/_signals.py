"""Signals that end a run early: SIGTERM (pjdel), SIGXCPU (elapse limit), SIGUSR1 (other batch systems' warning),
SIGINT (a terminal). They are the second line: `_deadline` ends a run before any of them is sent.

PJM kills ten seconds after SIGXCPU, so the run gets a few seconds to end by itself and is then ended from a
thread, wherever it hangs: in a long import, in loading, in one slow step. Knows signals, not what is run.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import TracebackType

from ._errors import EXIT_INTERRUPTED

__all__ = ["StopSignals"]

STOPPING = (signal.SIGTERM, signal.SIGXCPU, signal.SIGUSR1, signal.SIGINT)
GRACE_SECONDS = 3.0


class StopSignals:
    """While entered, a stop signal only sets `received`. `on_late(name)` is called from another thread when the
    block is still running GRACE_SECONDS later; the process then ends with exit code 75."""

    def __init__(self, on_late: Callable[[str], None]) -> None:
        self._on_late = on_late
        self._left = threading.Event()
        self.received: str | None = None

    def __enter__(self) -> StopSignals:
        # The file descriptor is written at once, even while the main thread is deep inside a library call.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._old_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._old_handlers = {number: signal.signal(number, lambda *_: None) for number in STOPPING}
        self._thread = threading.Thread(target=self._watch, name="stop-signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        os.write(self._writer, b"\0")
        self._thread.join()
        os.close(self._reader)
        os.close(self._writer)

    def _watch(self) -> None:
        while not self._left.is_set():
            number = os.read(self._reader, 1)[0]
            if number not in STOPPING:
                continue
            self.received = signal.Signals(number).name
            if not self._left.wait(GRACE_SECONDS):
                self._on_late(self.received)
                os._exit(EXIT_INTERRUPTED)
