"""What this process was given by the batch system: one table of variables, in order of preference.

Knows names of environment variables; does not know devices or models. Never imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ._errors import UsageError

__all__ = ["Allocation", "read_allocation"]

# Open MPI's mpirun sets the first of each; torchrun and MPICH the others.
RANK = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "RANK")
SIZE = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "WORLD_SIZE")
JOB_ID = ("PJM_SUBJOBID", "PJM_JOBID")


@dataclass(frozen=True)
class Allocation:
    """`job_id` is None outside the batch system. `rank` counts from 0 below `processes`."""

    job_id: str | None
    rank: int
    processes: int


def read_allocation(environment: Mapping[str, str]) -> Allocation:
    """Raises UsageError when several processes were started for one run: they would write the same file."""
    given = Allocation(
        job_id=_first(environment, JOB_ID),
        rank=int(_first(environment, RANK) or 0),
        processes=int(_first(environment, SIZE) or 1),
    )
    if given.processes > 1:
        raise UsageError(
            "severalProcesses",
            f"furo_infer was started as {given.processes} processes (this is rank {given.rank}), but a run is one "
            "process on one GPU. Start it without mpirun, or with -np 1.",
        )
    return given


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)
