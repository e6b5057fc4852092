"""The place of a process: each launcher's variables, PJM's node file, and what contradicts itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RUNTIME

from furo_infer._allocation import Allocation, read_allocation
from furo_infer._errors import UsageError

OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "5",
    "OMPI_COMM_WORLD_SIZE": "8",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
    "PMIX_RANK": "5",  # Open MPI sets it too, without a size.
    "PMIX_NAMESPACE": "678952961",
}
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
SHOW = """
import dataclasses, json, os, sys
from pathlib import Path
from furo_infer._allocation import read_allocation
given = read_allocation(os.environ)
Path(sys.argv[1], str(given.rank)).write_text(json.dumps(dataclasses.asdict(given)))
"""


@pytest.fixture
def node_file(tmp_path: Path) -> str:
    path = tmp_path / "nodeinf"
    path.write_text("10.0.0.7\n10.0.0.8\n\n10.0.0.7\n")
    return str(path)


def test_alone_is_one_process_on_this_machine() -> None:
    given = read_allocation({})
    assert (given.rank, given.processes, given.local_rank, given.local_processes) == (0, 1, 0, 1)
    assert (given.job_id, given.launcher, given.master_address) == (None, "alone", "127.0.0.1")
    assert given.nodes == ("127.0.0.1",)


def test_open_mpi_with_the_nodes_of_the_job(node_file: str) -> None:
    given = read_allocation(OPEN_MPI | {"PJM_O_NODEINF": node_file, "PJM_JOBID": "42"})
    assert given == Allocation(
        job_id="42",
        rank=5,
        processes=8,
        local_rank=1,
        local_processes=4,
        nodes=("10.0.0.7", "10.0.0.8"),
        master_address="10.0.0.7",
        master_port=given.master_port,
        launcher="openmpi",
    )


def test_torchrun_brings_its_own_address_and_port(node_file: str) -> None:
    given = read_allocation(TORCHRUN | {"MASTER_ADDR": "node-1", "MASTER_PORT": "29500", "PJM_O_NODEINF": node_file})
    assert (given.launcher, given.rank, given.processes) == ("torchrun", 3, 4)
    assert (given.local_rank, given.local_processes) == (1, 2)
    assert (given.master_address, given.master_port) == ("node-1", 29500)
    assert given.nodes == ("10.0.0.7", "10.0.0.8")


def test_pmi_tells_no_local_rank_so_one_node_is_assumed_and_several_are_refused(node_file: str) -> None:
    given = read_allocation({"PMI_RANK": "1", "PMI_SIZE": "2"})
    assert (given.launcher, given.local_rank, given.local_processes) == ("pmi", 1, 2)
    with pytest.raises(UsageError, match="its place on its own node"):
        read_allocation({"PMI_RANK": "1", "PMI_SIZE": "2", "PJM_O_NODEINF": node_file})
    hydra = {"PMI_RANK": "5", "PMI_SIZE": "8", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "4"}
    assert read_allocation(hydra | {"PJM_O_NODEINF": node_file}).local_rank == 1


def test_a_rank_without_a_size_is_somebody_elses_variable() -> None:
    assert read_allocation({"RANK": "7", "PMIX_RANK": "7"}).launcher == "alone"


def test_two_launchers_may_agree_but_not_differ() -> None:
    same = {"RANK": "5", "WORLD_SIZE": "8"}
    assert read_allocation(OPEN_MPI | same).launcher == "openmpi"
    with pytest.raises(UsageError, match=r"openmpi this is rank 5 of 8, for torchrun it is rank 3 of 4") as failure:
        read_allocation(OPEN_MPI | TORCHRUN)
    assert (failure.value.reason, failure.value.exit_code) == ("allocationUnclear", 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"OMPI_COMM_WORLD_RANK": "8"}, "only 8 processes"),
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "4"}, "only 4 processes"),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "9", "OMPI_COMM_WORLD_LOCAL_RANK": "0"}, "9 processes of a run of 8"),
        ({"OMPI_COMM_WORLD_RANK": "-1"}, "no whole number"),
        ({"OMPI_COMM_WORLD_RANK": ""}, "OMPI_COMM_WORLD_SIZE is set but OMPI_COMM_WORLD_RANK is not"),
        ({"MASTER_PORT": "70000"}, "no port"),
        ({"PJM_O_NODEINF": "/nowhere/nodeinf"}, "cannot be read: No such file"),
    ],
)
def test_contradictions_are_told(changes: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_allocation(OPEN_MPI | changes)


def test_a_node_file_of_another_node_is_no_error_where_the_address_was_passed_on() -> None:
    given = read_allocation(OPEN_MPI | {"PJM_O_NODEINF": "/nowhere/nodeinf", "MASTER_ADDR": "10.0.0.7"})
    assert (given.master_address, given.nodes) == ("10.0.0.7", ("10.0.0.7",))


def test_the_port_is_the_starts_own() -> None:
    first = read_allocation(OPEN_MPI | {"PJM_JOBID": "42"}).master_port
    # A process on another node, to which the job id was not passed on, must meet the others all the same.
    assert read_allocation(OPEN_MPI | {"OMPI_COMM_WORLD_RANK": "0"}).master_port == first
    assert read_allocation(OPEN_MPI | {"PMIX_NAMESPACE": "678952962"}).master_port != first
    jobs = {read_allocation({"PJM_JOBID": str(number)}).master_port for number in range(100)}
    assert len(jobs) > 90
    assert all(20000 <= port < 30000 for port in (first, *jobs))
    assert (
        read_allocation({"PJM_SUBJOBID": "9[1]"}).master_port != read_allocation({"PJM_SUBJOBID": "9[2]"}).master_port
    )


def seen_by_each(command: list[str], folder: Path) -> list[dict[str, object]]:
    environment = {name: value for name, value in os.environ.items() if name not in TORCHRUN}
    environment |= {"PYTHONPATH": str(RUNTIME), "PJM_JOBID": "42", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, timeout=100, capture_output=True)
    return [json.loads(path.read_text()) for path in sorted(folder.iterdir())]


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="no Open MPI on this machine")
def test_under_a_real_mpirun(tmp_path: Path) -> None:
    start = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", "3", "-x", "PYTHONPATH"]
    each = seen_by_each([*start, sys.executable, "-c", SHOW, str(tmp_path)], tmp_path)
    assert [(one["rank"], one["local_rank"]) for one in each] == [(0, 0), (1, 1), (2, 2)]
    assert {(one["processes"], one["local_processes"], one["launcher"]) for one in each} == {(3, 3, "openmpi")}
    assert len({one["master_port"] for one in each}) == 1


def test_under_a_real_torchrun(tmp_path: Path) -> None:
    script = tmp_path / "show.py"
    script.write_text(SHOW)
    folder = tmp_path / "seen"
    folder.mkdir()
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    each = seen_by_each([*start, str(script), str(folder)], folder)
    assert [(one["rank"], one["processes"], one["launcher"]) for one in each] == [
        (0, 2, "torchrun"),
        (1, 2, "torchrun"),
    ]
