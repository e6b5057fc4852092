"""What this process was given: its place among the processes of the run, and the nodes of the job.

One table of variables, read in order of preference. Knows names of environment variables and PJM's node file;
does not know devices or models. Never imports torch.

Sources: Open MPI 4.1 mpirun(1), "Exported Environment Variables"; torchrun's documentation, "Environment Variables";
MPICH's Hydra sets PMI_* and MPI_LOCAL*; PJM's end user guide, table 2.1.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ._errors import UsageError

__all__ = ["Allocation", "read_allocation"]

FIRST_PORT = 20000
PORTS = 10000  # Up to 29999: above the services of a node, below the ports (32768 on) that Linux gives to clients.
ALONE = "alone"
LOOPBACK = "127.0.0.1"
JOB_ID = ("PJM_SUBJOBID", "PJM_JOBID")
# One value for all processes of one start, another for the next start within the same job.
START_ID = ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid")


@dataclass(frozen=True)
class _Launcher:
    """The variables by which a launcher tells a process its place; of each group the first that is set counts."""

    name: str
    rank: tuple[str, ...]
    processes: tuple[str, ...]
    local_rank: tuple[str, ...]
    local_processes: tuple[str, ...]


_LAUNCHERS = (
    _Launcher(
        "openmpi",
        ("OMPI_COMM_WORLD_RANK",),
        ("OMPI_COMM_WORLD_SIZE",),
        ("OMPI_COMM_WORLD_LOCAL_RANK",),
        ("OMPI_COMM_WORLD_LOCAL_SIZE",),
    ),
    _Launcher("torchrun", ("RANK",), ("WORLD_SIZE",), ("LOCAL_RANK",), ("LOCAL_WORLD_SIZE",)),
    _Launcher(
        "pmi",
        ("PMI_RANK", "PMIX_RANK"),
        ("PMI_SIZE", "PMIX_SIZE"),
        ("MPI_LOCALRANKID", "PMI_LOCAL_RANK", "PMIX_LOCAL_RANK"),
        ("MPI_LOCALNRANKS", "PMI_LOCAL_SIZE", "PMIX_LOCAL_SIZE"),
    ),
)


@dataclass(frozen=True)
class Allocation:
    """`job_id` is None outside the batch system. `rank` counts from 0 below `processes`, `local_rank` from 0 below
    `local_processes` on this node. `nodes` are the addresses that the batch system gave, in its order; where it gave
    none, only `master_address`. `launcher` is openmpi, torchrun, pmi or alone. `agent_store` begins the keys of this
    start in the store that torchrun itself holds at `master_port`; None where rank 0 has to hold one."""

    job_id: str | None = None
    rank: int = 0
    processes: int = 1
    local_rank: int = 0
    local_processes: int = 1
    nodes: tuple[str, ...] = (LOOPBACK,)
    master_address: str = LOOPBACK
    master_port: int = FIRST_PORT
    launcher: str = ALONE
    agent_store: str | None = None


def read_allocation(environment: Mapping[str, str]) -> Allocation:
    """Raises UsageError `allocationUnclear` when variables contradict each other or are not what they should be."""
    launcher, rank, processes, local_rank, local_processes = _place(environment)
    job_id = _first(environment, JOB_ID)
    nodes = _read_nodes(environment)
    master = environment.get("MASTER_ADDR") or (nodes[0] if nodes else LOOPBACK)
    if local_rank is None or local_processes is None:
        if len(nodes) > 1 or master not in (LOOPBACK, "localhost", *nodes):
            raise _unclear(
                f"{launcher} started {processes} processes on several nodes but told none of them its place on its "
                "own node. Start with Open MPI's mpirun or with torchrun."
            )
        local_rank, local_processes = rank, processes
    return Allocation(
        job_id=job_id,
        rank=rank,
        processes=processes,
        local_rank=local_rank,
        local_processes=local_processes,
        nodes=nodes or (master,),
        master_address=master,
        master_port=_port(environment, job_id),
        launcher=launcher,
        agent_store=_agent_store(environment) if launcher == "torchrun" else None,
    )


def _agent_store(environment: Mapping[str, str]) -> str | None:
    """As `_create_c10d_store` in torch/distributed/rendezvous.py decides; torch 2.6 sets it, 2.13 does not."""
    if environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    return f"furo_infer/{environment.get('TORCHELASTIC_RESTART_COUNT', '0')}"


def _place(environment: Mapping[str, str]) -> tuple[str, int, int, int | None, int | None]:
    """Launcher, rank, processes, and the same within the node; None where a launcher does not tell that."""
    found: list[tuple[str, int, int, int | None, int | None]] = []
    for launcher in _LAUNCHERS:
        rank = _number(environment, launcher.rank)
        processes = _number(environment, launcher.processes)
        if processes is None:
            continue  # A rank without a size: Open MPI sets PMIX_RANK beside its own, and scripts use RANK freely.
        if rank is None:
            raise _unclear(
                f"{_named(environment, launcher.processes)} is set but {launcher.rank[0]} is not. "
                "Unset it, or start with mpirun or torchrun, which set both."
            )
        local_rank = _number(environment, launcher.local_rank)
        local_processes = _number(environment, launcher.local_processes)
        _check_range(launcher, rank, processes, local_rank, local_processes)
        found.append((launcher.name, rank, processes, local_rank, local_processes))
    if not found:
        return (ALONE, 0, 1, 0, 1)
    first = found[0]
    for other in found[1:]:
        if other[1:3] != first[1:3]:
            raise _unclear(
                f"two launchers disagree: for {first[0]} this is rank {first[1]} of {first[2]}, for {other[0]} it is "
                f"rank {other[1]} of {other[2]}. Start with one of them, not with one inside the other."
            )
    return first


def _check_range(
    launcher: _Launcher, rank: int, processes: int, local_rank: int | None, local_processes: int | None
) -> None:
    if rank >= processes:
        raise _unclear(
            f"{launcher.rank[0]} is {rank}, but there are only {processes} processes ({launcher.processes[0]})."
        )
    if local_rank is not None and local_processes is not None and local_rank >= local_processes:
        raise _unclear(
            f"{launcher.local_rank[0]} is {local_rank}, but this node has only {local_processes} processes "
            f"({launcher.local_processes[0]})."
        )
    if local_processes is not None and local_processes > processes:
        raise _unclear(f"this node is said to have {local_processes} processes of a run of {processes}.")


def _read_nodes(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The addresses in the file that PJM_O_NODEINF names, each once.

    Where MASTER_ADDR is given, a file that cannot be read is no error: it lies on the first node of the job."""
    name = environment.get("PJM_O_NODEINF")
    if not name:
        return ()
    try:
        lines = Path(name).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        if environment.get("MASTER_ADDR"):
            return ()
        raise _unclear(
            f"the list of nodes {name} (PJM_O_NODEINF) cannot be read: {error.strerror}. "
            "Pass MASTER_ADDR to every process (mpirun -x MASTER_ADDR)."
        ) from error
    return tuple(dict.fromkeys(line.split()[0] for line in lines if line.strip()))


def _port(environment: Mapping[str, str], job_id: str | None) -> int:
    """MASTER_PORT, else one made from what all processes of this start share and other starts do not: the name that
    Open MPI gave to the start, else the job id, else the user. (A job id alone does not do: it reaches the other nodes
    only when it is passed on.) No process can ask the system for a free port on behalf of all."""
    given = _number(environment, ("MASTER_PORT",))
    if given is not None:
        if not 0 < given < 65536:
            raise _unclear(f"MASTER_PORT is {given}, which is no port. Give one from 1 to 65535, or unset it.")
        return given
    shared = _first(environment, START_ID) or job_id or str(os.getuid())
    return FIRST_PORT + zlib.crc32(shared.encode()) % PORTS


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)


def _named(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next(name for name in names if environment.get(name))


def _number(environment: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    text = _first(environment, names)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise _unclear(f"{_named(environment, names)} is {text!r}, which is no whole number. Unset it or correct it.")
    return int(text)


def _unclear(what: str) -> UsageError:
    return UsageError("allocationUnclear", f"It is not clear which process of the run this is: {what}")
