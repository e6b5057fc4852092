"""Several processes, started as on Furo by Open MPI's mpirun or by torchrun: one stream of records, one result."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import RUNTIME, Place, content_of, make_model, wait_for
from torch._C._distributed_c10d import TCPStore

RECORDS = 14
pytestmark = pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs Open MPI (openmpi-bin)")


def start(place: Place, processes: int, *options: str, program: str | None = None) -> subprocess.Popen[str]:
    """The run under mpirun, in a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(RUNTIME), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    own = ["-m", "furo_infer"] if program is None else ["-c", program]
    # Three seconds between SIGTERM and SIGKILL, as in the launch line of the extension; mpirun's own is one.
    launch = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-mca", "odls_base_sigkill_timeout", "3"]
    launch += ["-np", str(processes)]
    return subprocess.Popen(
        [*launch, sys.executable, *own, "run", "job.json", *options],
        cwd=place.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def run(place: Place, processes: int, *options: str, program: str | None = None) -> tuple[int, str, str]:
    process = start(place, processes, *options, program=program)
    out, error = process.communicate(timeout=120)
    return process.returncode, out, error


def write(place: Place, model: Path | str, records: int = RECORDS, **changes: Any) -> None:
    place.write_input([{"id": f"q-{n}", "question": "fox " * (n % 5 + 1) + str(n)} for n in range(records)])
    place.write_job(**{"model": str(model), "backend": "own", "batch": {"rows": 2}, **changes})


def texts(place: Place) -> dict[str, str]:
    return {name: content_of(line) for name, line in place.results().items()}


@pytest.fixture(scope="module")
def four_layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("four"))


@pytest.fixture(scope="module")
def expected(four_layers: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one process answers, sampled."""
    place = Place(tmp_path_factory.mktemp("alone"))
    write(place, four_layers, generation={"max_new_tokens": 12, "temperature": 1.0, "seed": 3})
    code, _, error = place.run()
    assert (code, error) == (0, "")
    return texts(place)


@pytest.mark.parametrize(
    ("processes", "options", "layout"),
    [
        (3, (), "3x1x1"),
        (2, ("--stages", "2"), "1x2x1"),
        (2, ("--tensor-parallel", "2"), "1x1x2"),
        (4, ("--stages", "2", "--tensor-parallel", "2"), "1x2x2"),
        (4, ("--replicas", "2", "--stages", "2"), "2x2x1"),
    ],
)
def test_sampled_answers_do_not_depend_on_the_layout(
    place: Place,
    four_layers: Path,
    expected: dict[str, str],
    processes: int,
    options: tuple[str, ...],
    layout: str,
) -> None:
    write(place, four_layers, generation={"max_new_tokens": 12, "temperature": 1.0, "seed": 3})
    code, out, error = run(place, processes, *options)
    assert code == 0, error
    assert texts(place) == expected
    lines = place.result_lines()
    assert [line["custom_id"] for line in lines] == [f"q-{n}" for n in range(RECORDS)]
    assert {line["x_runtime"]["plan"] for line in lines} == {layout}
    assert sorted(path.name for path in place.output.glob("results*")) == ["results.jsonl"]
    assert f"with {processes} processes" in out
    assert place.events()[-1]["event"] == "finished"
    assert place.events()[-1]["done"] == RECORDS


def test_processes_meet_in_the_store_that_torchrun_holds(
    place: Place, four_layers: Path, expected: dict[str, str]
) -> None:
    write(place, four_layers, generation={"max_new_tokens": 12, "temperature": 1.0, "seed": 3})
    agent = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # as the agent of torch 2.6 does
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(agent.port)}
    for attempt, command in enumerate((["check", "job.json"], ["run", "job.json", "--stages", "2"])):
        shared |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": str(attempt)}
        ranks = [
            subprocess.Popen(
                [sys.executable, "-m", "furo_infer", *command],
                cwd=place.folder,
                env={**os.environ, "PYTHONPATH": str(RUNTIME), "OMP_NUM_THREADS": "1", **shared, **own},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for own in ({"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in (1, 0))
        ]
        said = [process.communicate(timeout=120)[0] for process in ranks]
        assert [process.returncode for process in ranks] == [0, 0], "\n".join(said)
    assert texts(place) == expected


def test_torchrun_starts_it_too(place: Place, four_layers: Path, expected: dict[str, str]) -> None:
    write(place, four_layers, generation={"max_new_tokens": 12, "temperature": 1.0, "seed": 3})
    environment = {**os.environ, "PYTHONPATH": str(RUNTIME), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, "-m", "furo_infer", "run", "job.json", "--stages", "2"],
        cwd=place.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert texts(place) == expected


def test_a_layout_that_needs_more_processes_than_there_are(place: Place, four_layers: Path) -> None:
    write(place, four_layers, layout={"stages": 2, "tensor_parallel": 2})
    code, _, error = run(place, 2)
    assert code == 2
    assert "takes 4 processes, but 2 were started" in error


def test_key_value_heads_that_cannot_be_divided(place: Place, four_layers: Path) -> None:
    write(place, four_layers, layout={"tensor_parallel": 4})
    code, _, error = run(place, 4)
    assert code == 2
    assert "4 attention heads and 2 key-value heads, which tensor parallel cannot divide by 4" in error
    assert "Use a divisor of 2" in error


LONG = {"max_new_tokens": 150, "temperature": 1.0, "seed": 3}


# Each step takes a while, so that a signal meets the job in the middle however fast the machine is.
PACED = (
    "import time\n"
    "from furo_infer.engines._worker import Worker\n"
    "whole = Worker._carry_out\n"
    "def paced(self, command, tokens):\n"
    "    time.sleep(0.01)\n"
    "    return whole(self, command, tokens)\n"
    "Worker._carry_out = paced\n"
    "from furo_infer.__main__ import console\n"
    "console()"
)


def answered(place: Place) -> int:
    return sum(path.read_bytes().count(b"\n") for path in place.output.glob("results*.jsonl"))


def ranks(process: subprocess.Popen[str]) -> list[int]:
    """The process ids of the ranks that this launcher has started, in the order of the ranks."""
    wanted = ["pgrep", "-f", "run job.json", "-P", str(process.pid)]
    found = subprocess.run(wanted, capture_output=True, text=True, check=True).stdout.split()

    def rank(child: str) -> int:
        variables = Path(f"/proc/{child}/environ").read_text().split("\0")
        return next(int(one.partition("=")[2]) for one in variables if one.startswith("OMPI_COMM_WORLD_RANK="))

    return [int(child) for child in sorted(found, key=rank)]


@pytest.fixture(scope="module")
def unbroken(endless_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one process answers that nothing stops."""
    place = Place(tmp_path_factory.mktemp("unbroken"))
    write(place, endless_model, generation=LONG)
    assert place.run()[0] == 0
    return texts(place)


@pytest.mark.parametrize("layout", [{"stages": 2}, {"replicas": 2}, {"tensor_parallel": 2}])
@pytest.mark.parametrize("name", ["KILL", "TERM"])
def test_a_job_that_is_ended_in_the_middle_goes_on_next_time(
    place: Place, endless_model: Path, unbroken: dict[str, str], name: str, layout: dict[str, int]
) -> None:
    """KILL takes one rank, as a broken node does; TERM goes to all, as the end of a job does."""
    write(place, endless_model, generation=LONG, layout=layout)
    process = start(place, 2, program=PACED)
    wait_for(lambda: answered(place) >= 2)
    began = time.monotonic()
    if name == "KILL":
        os.kill(ranks(process)[1], signal.SIGKILL)
    else:
        process.terminate()
    _, error = process.communicate(timeout=60)
    assert time.monotonic() - began < 20
    assert process.returncode != 0
    if name == "KILL":
        assert "signal 9" in error
    else:
        assert place.events()[-1]["event"] == "interrupted"
    assert 2 <= answered(place) < RECORDS
    code, out, error = run(place, 2)
    assert code == 0, out + error
    assert len(place.result_lines()) == RECORDS
    assert texts(place) == unbroken


@pytest.mark.parametrize(("layout", "frozen"), [({"stages": 2}, 1), ({"replicas": 2}, 1), ({"replicas": 2}, 0)])
def test_a_rank_that_hangs_ends_the_job(
    place: Place, endless_model: Path, monkeypatch: pytest.MonkeyPatch, layout: dict[str, int], frozen: int
) -> None:
    monkeypatch.setenv("FURO_SILENT_SECONDS", "6")
    write(place, endless_model, generation=LONG, layout=layout)
    process = start(place, 2, program=PACED)
    wait_for(lambda: answered(place) >= 2)
    if "stages" in layout:  # the first stage works at most half of the time that the second one makes it wait
        wait_for(lambda: '"stage_idle":[0.' in (place.output / "progress.jsonl").read_text(encoding="utf-8"))
    os.kill(ranks(process)[frozen], signal.SIGSTOP)
    began = time.monotonic()
    _, error = process.communicate(timeout=60)
    assert time.monotonic() - began < 45
    assert process.returncode != 0
    assert f"furo_infer: error: Rank {frozen}" in error
    assert "failed: nothing was heard of it for 6 s" in error


def test_a_rank_that_hangs_does_not_take_the_deadline_from_the_others(
    place: Place, endless_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, endless_model, generation=LONG, layout={"replicas": 2})
    monkeypatch.setenv("FURO_JOB_STARTED", str(int(time.time())))
    monkeypatch.setenv("FURO_ELAPSE_SECONDS", "45")
    process = start(place, 2, program=PACED)
    wait_for(lambda: answered(place) >= 2)
    os.kill(ranks(process)[1], signal.SIGSTOP)
    process.communicate(timeout=90)
    assert process.returncode == 75
    assert place.events()[-1]["event"] == "interrupted"


def test_the_cause_of_a_failed_rank_is_one_line(place: Place) -> None:
    write(place, "none", backend="echo")
    program = (
        "import os, sys, furo_infer.engines.echo as echo\n"
        "from furo_infer._errors import DeviceError\n"
        "def load(self):\n"
        "    if self.replica == 1: raise DeviceError('deviceUnusable', 'The GPU is broken. Run the job elsewhere.')\n"
        "    import time; time.sleep(60)\n"
        "echo.EchoEngine.load = load\n"
        "from furo_infer.__main__ import console\n"
        "console()"
    )
    began = time.monotonic()
    code, _, error = run(place, 2, program=program)
    assert time.monotonic() - began < 25
    assert code == 6
    assert "failed: The GPU is broken. Run the job elsewhere." in error
    last = place.events()[-1]
    assert (last["event"], last["reason"], last["exit_code"]) == ("failed", "deviceUnusable", 6)


def test_a_thread_that_is_still_inside_torch_does_not_abort_the_end(place: Place) -> None:
    write(place, "none", backend="echo")
    program = (
        "import threading, furo_infer._run as run\n"
        "join = run.join\n"
        "def busy(allocation):\n"
        "    shared = join(allocation)\n"
        "    def ask():\n"
        "        while True: shared.store.check(['never'])\n"
        "    if allocation.rank == 0: threading.Thread(target=ask, daemon=True).start()\n"
        "    return shared\n"
        "run.join = busy\n"
        "from furo_infer.__main__ import console\n"
        "console()"
    )
    code, out, error = run(place, 2, program=program)
    assert code == 0, out + error


def test_the_deadline_ends_all_processes_with_75(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FURO_JOB_STARTED", str(int(time.time())))
    monkeypatch.setenv("FURO_ELAPSE_SECONDS", "25")
    program = (
        "import sys, furo_infer.engines as engines, furo_infer._run as run\n"
        "run.create_engine = lambda job, allocation, *_: engines.EchoEngine(allocation, 0.5)\n"
        "from furo_infer.__main__ import console\n"
        "console()"
    )
    write(place, "none", records=200, backend="echo")
    code, out, _ = run(place, 2, program=program)
    assert code == 75
    done = len(place.results())
    assert 2 <= done < 200
    assert f"Stopped by the elapse limit with {done} of 200 records done" in out
