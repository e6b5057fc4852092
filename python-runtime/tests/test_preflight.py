"""`check`: real starts, alone and by Open MPI, and the judgement over what ranks with GPUs would have told."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import RUNTIME, Place, make_model

from furo_infer.__main__ import main
from furo_infer._allocation import Allocation
from furo_infer._job import Job
from furo_infer._preflight_exchange import transports_of
from furo_infer._preflight_probe import RankReport, driver_of, seen_environment
from furo_infer._preflight_report import Finding, has_kernels, interfaces_of, judge, render

needs_mpirun = pytest.mark.skipif(shutil.which("mpirun") is None, reason="no Open MPI on this machine")
BASE = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("PJM_", "OMPI_", "HF_", "MASTER_"))},
    "PYTHONPATH": str(RUNTIME),
    "OMP_NUM_THREADS": "1",
}


def check(
    *arguments: str, start: tuple[str, ...] = (), changes: dict[str, str] | None = None, folder: Path | None = None
) -> tuple[int, str, str]:
    done = subprocess.run(
        [*start, sys.executable, "-m", "furo_infer", "check", *arguments],
        env={**BASE, **(changes or {})},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


Look = Callable[..., tuple[int, str]]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Look:
    """`check` in this process, which has imported torch already."""

    def look(*arguments: str, folder: Path, **changes: str) -> tuple[int, str]:
        monkeypatch.chdir(folder)
        for name in [*os.environ]:
            if name not in BASE:
                monkeypatch.delenv(name)
        for name, value in {"HF_HUB_OFFLINE": "1", "TORCH_CPP_LOG_LEVEL": "FATAL", **changes}.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        return main(["check", *arguments]), capsys.readouterr().out

    return look


def mpirun(ranks: int, *options: str) -> tuple[str, ...]:
    return ("mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(ranks), *options)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def reasons(page: str) -> list[str]:
    return [problem["reason"] for problem in json.loads(page)["problems"]]


# Real starts


def test_alone_everything_fits(tmp_path: Path) -> None:
    code, page, errors = check(folder=tmp_path)
    assert (code, errors) == (0, "")
    assert page.startswith("furo_infer check: 1 process(es) on 1 node\n")
    assert re.search(r"float(16|32) kernel ran", page)
    assert "No problem was found." in page
    assert list(tmp_path.iterdir()) == []


def test_the_token_is_told_but_never_shown(tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hf_sEcReTsEcReT"
    for arguments in ([], ["--json"]):
        _, page = look(*arguments, folder=tmp_path, HF_TOKEN=secret)
        assert secret not in page
    assert json.loads(page)["ranks"][0]["token"] is True
    monkeypatch.delenv("HF_TOKEN")
    _, page = look("--json", folder=tmp_path, HF_HOME=str(tmp_path))
    assert json.loads(page)["ranks"][0]["token"] is False


def test_with_a_job_it_looks_at_model_output_and_records(place: Place, tiny_model: Path, look: Look) -> None:
    place.write_input([{"id": "a", "question": "x"}, {"id": "b"}])
    place.write_job(model=str(tiny_model), backend="auto")
    code, page = look("job.json", folder=place.folder)
    assert code == 0, page
    assert f"Model        {tiny_model} (" in page
    assert "record b (line 2) will fail: " in page
    assert "2 records, 1 will fail." in page
    assert not place.output.exists()


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"model": "/no/such/model"}, 3, "modelNotFound"),
        ({"output": "job.json/results"}, 5, "outputRefused"),
        ({"input": "absent.jsonl"}, 4, "inputUnreadable"),
        pytest.param({"device": "cuda"}, 6, "cudaAbsent", marks=pytest.mark.without_gpu),
    ],
)
def test_what_would_stop_the_run_has_its_exit_code(
    place: Place, tiny_model: Path, look: Look, changes: dict[str, Any], code: int, reason: str
) -> None:
    place.write_input([{"id": "a", "question": "x"}])
    place.write_job(**{"model": str(tiny_model), "backend": "auto", **changes})
    ended, page = look("job.json", "--json", folder=place.folder)
    assert (ended, reasons(page)) == (code, [reason])
    assert all(problem["what"] and problem["cure"] for problem in json.loads(page)["problems"])


def test_a_missing_shard_is_found_without_loading(place: Place, tmp_path: Path, look: Look) -> None:
    model = make_model(tmp_path / "model")
    index = {"metadata": {}, "weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    place.write_input([{"id": "a", "question": "x"}])
    place.write_job(model=str(model), backend="auto")
    code, page = look("job.json", folder=place.folder)
    assert code == 3
    assert "1 of 2 weight files are absent, the first is model-00002-of-00002.safetensors" in page


@needs_mpirun
@pytest.mark.without_gpu  # three ranks would need three
def test_all_ranks_are_on_the_page_and_exchange_something(tmp_path: Path) -> None:
    code, page, _ = check("--json", "--wait", "60", start=mpirun(3), folder=tmp_path)
    told = json.loads(page)
    assert (code, told["problems"]) == (0, [])
    assert [(rank["rank"], rank["exchange"]) for rank in told["ranks"]] == [(0, "ok"), (1, "ok"), (2, "ok")]
    assert told["allocation"]["launcher"] == "openmpi"


@needs_mpirun
@pytest.mark.without_gpu
def test_defect_21_a_variable_that_did_not_reach_a_rank(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "furo_infer", "check", "--json", "--wait", "60"]
    second = [":", "-np", "1", "env", "-u", "HF_HOME", "GLOO_SOCKET_IFNAME=no-such0", *program]
    started = time.monotonic()
    start = mpirun(1, "-x", "HF_HOME=/models", "-x", "GLOO_SOCKET_IFNAME=lo", *program)
    done = subprocess.run(
        [*start, *second], env=BASE, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    problems = json.loads(done.stdout.split("\n")[0])["problems"]
    told = {problem["what"]: problem for problem in problems}
    assert told["HF_HOME is not set, at rank 0 /models"]["ranks"] == [1]
    assert told["HF_HOME is not set, at rank 0 /models"]["cure"] == "Pass it on: mpirun -x HF_HOME."
    # gloo cannot even open the interface; the page comes all the same, and at once.
    assert told["the first exchange between the ranks failed: rank 1 failed first"]["ranks"] == [0]
    assert time.monotonic() - started < 40
    assert done.returncode == 6


def test_a_rank_that_never_comes_is_named(tmp_path: Path) -> None:
    alone = {"RANK": "0", "WORLD_SIZE": "3", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "3", "MASTER_PORT": free_port()}
    code, page, errors = check("--wait", "1", folder=tmp_path, changes=alone)
    assert code == 6
    assert "- rank 1 of 3 never came." in page
    assert "- rank 2 of 3 never came." in page
    assert "frame #" not in errors


def test_a_rank_that_does_not_reach_rank_0_says_so(tmp_path: Path) -> None:
    changes = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": free_port()}
    code, page, errors = check("--wait", "1", folder=tmp_path, changes=changes)
    assert (code, page) == (6, "")
    assert errors.startswith("furo_infer: error: Rank 1 on ")
    assert f"does not reach rank 0 at 127.0.0.1:{changes['MASTER_PORT']}" in errors
    assert errors.count("\n") == 1


# The judgement, over what ranks on nodes with GPUs would tell

GIVEN = Allocation(job_id="42", processes=8, local_processes=4, nodes=("10.0.0.1", "10.0.0.2"), launcher="openmpi")
SHARED = {
    "NCCL_SOCKET_IFNAME": "ib0",
    "GLOO_SOCKET_IFNAME": "ib0",
    "OMP_NUM_THREADS": "10",
    "PATH": "/env/bin",
    "HF_HOME": "/data/models",
}


def rank_report(rank: int, **changes: Any) -> RankReport:
    """One of eight ranks on two nodes of four V100s, all as it should be."""
    return replace(
        RankReport(
            rank=rank,
            local_rank=rank % 4,
            local_processes=4,
            host=f"cx00{rank // 4 + 1}",
            executable="/env/bin/python",
            versions={"torch": "2.6.0+cu124", "driver": "550.144.03", "cuda": "12.4"},
            gpus=4,
            gpu="Tesla V100-SXM2-32GB",
            gpu_id=f"GPU-{rank}",
            gpu_bytes=32 << 30,
            capability=[7, 0],
            kernels=["sm_50", "sm_70", "sm_90"],
            dtype="float16",
            kernel="ok",
            environment=SHARED,
            interfaces={"lo": "127.0.0.1", "ib0": "10.0.0.1"},
            exchange="ok",
            transport=["NET/IB", "P2P"],
        ),
        **changes,
    )


EIGHT = [rank_report(rank) for rank in range(8)]
JOB = Job(model="m", input=Path("i"), output=Path("o"))


def problems(reports: list[RankReport], given: Allocation = GIVEN, job: Job | None = None) -> list[Finding]:
    return [finding for finding in judge(given, reports, job) if finding.exit_code]


def changed(ranks: set[int], **changes: Any) -> list[RankReport]:
    return [replace(report, **changes) if report.rank in ranks else report for report in EIGHT]


def test_eight_good_ranks_have_no_problem() -> None:
    assert judge(GIVEN, EIGHT, JOB) == []
    page = render(GIVEN, EIGHT, [])
    assert "8 process(es) on 2 nodes, started by openmpi, job 42" in page
    assert "rank 7  cx002 , local 3 of 4, Tesla V100-SXM2-32GB (32 GiB), sm_70, float16 kernel ran" in page
    assert "first exchange: 8 of 8 ranks, NCCL over NET/IB, P2P" in page


def test_defect_20_the_whole_model_in_each_rank() -> None:
    whole = [replace(report, model_bytes=131 << 30, host_bytes=338 << 30) for report in EIGHT]
    assert problems(whole, job=replace(JOB, backend="own")) == []
    found = problems(whole, job=replace(JOB, backend="transformers"))
    assert {finding.reason for finding in found} == {"hostMemoryLow"}
    assert "4 ranks on cx001 would each load the whole model, 524 GiB together, but 338 GiB are free" in found[0].what


def test_defect_22_all_ranks_on_the_first_node() -> None:
    crowded = [
        replace(report, host="cx001", local_rank=report.rank, local_processes=8, gpu_id=f"GPU-{report.rank % 4}")
        for report in EIGHT
    ]
    found = {finding.reason: finding for finding in problems(crowded)}
    assert set(found) == {"nodesUnused", "gpuShared", "gpuTooFew"}
    assert found["nodesUnused"].what == "8 ranks are on 1 node, but the job has 2"
    assert "--map-by ppr:4:node" in found["nodesUnused"].cure
    assert all(finding.exit_code == 6 for finding in found.values())
    shared = [finding.ranks for finding in problems(crowded) if finding.reason == "gpuShared"]
    assert shared == [(0, 1, 2, 3, 4, 5, 6, 7)]


def test_nodes_with_different_numbers_of_ranks() -> None:
    found = problems(changed({3}, host="cx002", gpu_id="GPU-9"))
    assert [finding.reason for finding in found] == ["ranksUneven"]
    assert "3 on cx001, 5 on cx002" in found[0].what


def test_defect_23_the_nccl_of_a_module(tmp_path: Path, look: Look) -> None:
    (tmp_path / "libnccl.so.2").touch()
    _, page = look("--json", folder=tmp_path, LD_LIBRARY_PATH=f"/nowhere:{tmp_path}")
    library = str(tmp_path / "libnccl.so.2")
    assert json.loads(page)["ranks"][0]["nccl_in_path"] == [library]
    found = problems(changed({0, 1, 2, 3}, nccl_in_path=[library]))
    assert [(finding.reason, finding.ranks) for finding in found] == [("ncclTwice", (0, 1, 2, 3))]
    assert "Take the nccl module out" in found[0].cure


@pytest.mark.parametrize(
    ("changes", "code", "reason", "said"),
    [
        ({"kernels": ["sm_75", "sm_80", "sm_90"], "kernel": "no kernel image"}, 6, "kernelsAbsent", "sm_70"),
        ({"kernel": "CUDA error: out of memory"}, 6, "kernelFailed", "out of memory"),
        ({"gpus": 0, "gpu": None, "gpu_id": None, "capability": None}, 6, "cudaUnused", "sees no GPU"),
        ({"transport": ["NET/Socket", "SHM"]}, 6, "transportSlow", "plain sockets"),
        ({"interfaces": {"lo": "127.0.0.1", "eth0": "10.0.0.1"}}, 6, "interfaceAbsent", "cx002 has lo, eth0"),
        ({"exchange": "no end within 60 s"}, 6, "exchangeFailed", "no end within 60 s"),
        ({"executable": "/usr/bin/python3"}, 2, "pythonDiffers", "that of rank 0 is /env/bin/python"),
        ({"versions": {"torch": "2.5.1"}}, 2, "versionsDiffer", "torch is 2.5.1, at rank 0 2.6.0+cu124"),
        ({"environment": {**SHARED, "HF_HOME": ""}}, 2, "environmentDiffers", "at rank 0 /data/models"),
        ({"free_bytes": 1 << 20, "output": "/data/o"}, 5, "spaceLow", "only 1 MiB are free for /data/o"),
        ({"failures": [[6, "packageMissing", "torch cannot be imported"]]}, 6, "packageMissing", "torch"),
    ],
)
def test_each_problem_names_its_ranks_and_has_a_cure(
    changes: dict[str, Any], code: int, reason: str, said: str
) -> None:
    found = [finding for finding in problems(changed({5, 6}, **changes)) if finding.reason == reason]
    assert [(finding.exit_code, finding.ranks) for finding in found] in ([(code, (5, 6))], [(code, (5, 6))] * 2)
    assert said in found[0].what
    assert found[0].cure
    assert f"ranks 5-6: {found[0].what}" in render(GIVEN, EIGHT, found)


def test_several_nodes_need_a_named_interface() -> None:
    bare = [replace(report, environment={"OMP_NUM_THREADS": "1"}) for report in EIGHT]
    names = {finding.what.split()[0] for finding in problems(bare)}
    assert names == {"NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"}
    one_node = [replace(report, host="cx001") for report in bare[:4]]
    assert problems(one_node, replace(GIVEN, processes=4, nodes=("10.0.0.1",))) == []


def test_folders_that_open_mpi_puts_before_a_path_are_no_problem() -> None:
    longer = changed({4, 5}, environment={**SHARED, "PATH": "/usr/lib64/openmpi/bin:/env/bin"})
    assert judge(GIVEN, longer, None) == []
    lost = judge(GIVEN, changed({4, 5}, environment={**SHARED, "PATH": "/usr/bin"}), None)
    assert [(finding.what, finding.exit_code) for finding in lost] == [("PATH is /usr/bin, at rank 0 /env/bin", 0)]


def test_absent_ranks_and_notes() -> None:
    found = judge(GIVEN, changed({0}, dtype="bfloat16")[:7], None)
    assert [(finding.reason, finding.exit_code) for finding in found] == [("rankAbsent", 6), ("dtypeSlow", 0)]
    assert found[0].what == "rank 7 of 8 never came"


@pytest.mark.parametrize(
    ("capability", "kernels", "fits"),
    [
        ([7, 0], ["sm_70", "sm_90"], True),
        ([7, 0], ["sm_75", "sm_80"], False),
        ([7, 5], ["sm_70"], True),
        ([9, 0], ["sm_80", "sm_90a"], True),
        ([9, 0], ["sm_80", "compute_80"], True),
        ([7, 0], ["compute_80"], False),
        ([12, 0], ["sm_120"], True),
    ],
)
def test_which_devices_a_build_has_code_for(capability: list[int], kernels: list[str], fits: bool) -> None:
    assert has_kernels(capability, kernels) is fits


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.144.03  Mon Dec 30 17:44:08 UTC 2024\n", "550.144.03"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\n", "580.159.04"),
        ("GCC version:  gcc version 11.4.0\n", ""),
    ],
)
def test_the_version_of_a_driver(said: str, version: str) -> None:
    assert driver_of(said) == version


def test_the_names_of_interfaces() -> None:
    there = {"lo": "", "ib0": "", "ib01": "", "eth0": ""}
    assert interfaces_of("ib0", there, exact=False) == ["ib0", "ib01"]
    assert interfaces_of("=ib0", there, exact=False) == ["ib0"]
    assert interfaces_of("ib0", there, exact=True) == ["ib0"]
    assert interfaces_of("^lo,ib", there, exact=False) == ["eth0"]
    assert interfaces_of("en", there, exact=False) == []


def test_the_transports_in_a_log_of_nccl() -> None:
    log = (
        "cx001:42:77 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB ib0:10.0.0.1<0>\n"
        "cx001:42:77 [0] NCCL INFO Using network IB\n"
        "cx001:42:77 [0] NCCL INFO Channel 00/0 : 3[3] -> 4[0] [receive] via NET/IB/0\n"
        "cx001:42:77 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n"
    )
    assert transports_of(log) == ["NET/IB", "P2P"]
    assert transports_of("NCCL INFO Using network Socket") == ["NET/Socket"]


def test_only_shared_variables_are_seen_and_secrets_are_not() -> None:
    seen = seen_environment({"HF_TOKEN": "x", "HF_HOME": "/m", "HOME": "/h", "NCCL_DEBUG": "INFO", "PATH": "/bin"})
    assert seen == {"HF_HOME": "/m", "HF_TOKEN": "(set)", "NCCL_DEBUG": "INFO", "PATH": "/bin"}
