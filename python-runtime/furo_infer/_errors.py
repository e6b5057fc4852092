"""Everything that can go wrong in a way we expect, with the exit code of each kind.

    FuroInferError
    |- UsageError        2   the command line or the job file
    |- ModelError        3   no such model, or it cannot be loaded
    |- InputError        4   the records
    |- OutputError       5   the results cannot be written
    |- DeviceError       6   the device that was asked for is not there
    `- Interrupted      75   stopped by a signal; running again goes on

Any other exception is a defect: exit code 1 and a traceback. Knows no wording but what it is given.
"""

from __future__ import annotations

__all__ = [
    "EXIT_DEFECT",
    "EXIT_INTERRUPTED",
    "EXIT_OK",
    "DeviceError",
    "FuroInferError",
    "InputError",
    "Interrupted",
    "ModelError",
    "OutputError",
    "UsageError",
]

EXIT_OK = 0
EXIT_DEFECT = 1
EXIT_INTERRUPTED = 75  # EX_TEMPFAIL: run the same job again


class FuroInferError(Exception):
    """An expected failure. `reason` is a lowerCamel name that programs may switch on; the text is a sentence
    for people: what happened, why, what to do."""

    exit_code = EXIT_DEFECT

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class UsageError(FuroInferError):
    exit_code = 2


class ModelError(FuroInferError):
    exit_code = 3


class InputError(FuroInferError):
    exit_code = 4


class OutputError(FuroInferError):
    exit_code = 5


class DeviceError(FuroInferError):
    exit_code = 6


class Interrupted(FuroInferError):
    """`signal_name` is what stopped us. Everything finished before it is on disk."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self, signal_name: str) -> None:
        super().__init__("interrupted", f"stopped by {signal_name}; run the same job again to go on")
        self.signal_name = signal_name
