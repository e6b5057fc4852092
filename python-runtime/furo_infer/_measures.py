"""What the processes of a run measure while it goes on: the memory they use, and how long they wait for each other.

Knows numbers; does not know how they are measured or sent. Never imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = ["Measures", "highest_peak", "stage_idle"]


@dataclass(frozen=True)
class Measures:
    """Of one process: the most memory it has used; in a pipeline its `stage` and the share of time, 0 to 1, in which
    it had nothing to compute."""

    peak_bytes: int
    stage: int | None = None
    idle: float | None = None

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_text(text: str | bytes) -> Measures:
        return Measures(**json.loads(text))


def highest_peak(all_measures: Sequence[Measures]) -> int | None:
    """Of the process that used the most; None where nothing is measured."""
    return max((one.peak_bytes for one in all_measures), default=0) or None


def stage_idle(all_measures: Sequence[Measures]) -> list[float] | None:
    """For each stage the mean over its processes; None until all stages have told, and without stages."""
    shares: dict[int, list[float]] = {}
    for one in all_measures:
        if one.stage is not None and one.idle is not None:
            shares.setdefault(one.stage, []).append(one.idle)
    if len(shares) < 2 or set(shares) != set(range(len(shares))):
        return None
    return [sum(shares[stage]) / len(shares[stage]) for stage in range(len(shares))]
