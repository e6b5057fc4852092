"""`check`: one page that says what every process of a run sees, and how to cure what would stop it.

Run alone, or by mpirun or torchrun with the command line of the run. Knows the order of the steps; what a rank sees is
in `_preflight_probe`, how the ranks meet in `_preflight_exchange`, the judgement in `_preflight_report`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from ._allocation import Allocation, read_allocation
from ._errors import EXIT_OK, DeviceError, FuroInferError
from ._job import Job, read_job
from ._preflight_probe import RankReport, probe
from ._preflight_report import Finding, judge, render, to_json

__all__ = ["add_arguments", "run"]

# Starting Python from a shared file system took about 90 s on Furo, and not all nodes begin at once.
WAIT_SECONDS = 180.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", type=Path, nargs="?", metavar="JOB.json", help="also read this job and its input")
    parser.add_argument("--json", action="store_true", help="the page as JSON, for programs")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), help="look at this device; default as in the job")
    parser.add_argument(
        "--wait", type=float, default=WAIT_SECONDS, metavar="SECONDS", help="for each step of the other ranks"
    )


def run(chosen: argparse.Namespace) -> int:
    """Every rank calls it; rank 0 prints. The exit code is that of the first problem, 0 without one."""
    given = read_allocation(os.environ)
    environment = dict(os.environ)
    # Only what is on this machine counts; looking must not start a download.
    os.environ["HF_HUB_OFFLINE"] = "1"
    # The page tells what goes wrong; torch would tell it too, in two screens of addresses.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    job = None if chosen.job is None else read_job(chosen.job)
    device = chosen.device or ("auto" if job is None else job.device)
    seen = probe(given, job, environment, device)
    if given.processes == 1:
        return _finish(given, [seen], job, as_json=chosen.json)
    return _together(given, seen, job, chosen)


def _together(given: Allocation, seen: RankReport, job: Job | None, chosen: argparse.Namespace) -> int:
    """All ranks meet at rank 0, try one exchange, and end with what rank 0 found."""
    try:
        from ._preflight_exchange import Meeting

        meeting = Meeting(given, chosen.wait)
    except ImportError as error:
        raise DeviceError("packageMissing", f"torch cannot be imported by {sys.executable}: {error}") from error
    meeting.tell("seen", seen.to_json())
    if given.rank == 0:
        heard = meeting.hear("seen")
        meeting.announce("all here", "yes" if len(heard) == given.processes else "no")
        if len(heard) == given.processes:
            meeting.exchange(seen)
            meeting.tell("exchanged", seen.to_json())
            heard |= meeting.hear("exchanged")
        reports = [RankReport.from_json(heard[rank]) for rank in sorted(heard)]
        code = _finish(given, reports, job, as_json=chosen.json)
        meeting.announce("exit code", str(code))
    else:
        if meeting.listen("all here", waits=2) == "yes":
            meeting.exchange(seen)
            meeting.tell("exchanged", seen.to_json())
        # Rank 0 ends with the code; a second one would make mpirun tell of two failures.
        code = EXIT_OK if meeting.listen("exit code", waits=4) is not None else DeviceError.exit_code
    meeting.leave()
    return code


def _finish(given: Allocation, reports: list[RankReport], job: Job | None, *, as_json: bool) -> int:
    findings = judge(given, reports, job)
    records: dict[str, Any] | None = None
    if job is not None:
        try:
            records = _look_at_records(job)
        except FuroInferError as error:
            cure = "Correct the job file or its input."
            findings.insert(0, Finding(error.exit_code, error.reason, error.message, cure))
    if as_json:
        print(json.dumps({**to_json(given, reports, findings), "records": records}, ensure_ascii=False), flush=True)
    else:
        print(render(given, reports, findings))
        for refused in [] if records is None else records["refused"]:
            print(f"record {refused['id']} (line {refused['line']}) will fail: {refused['message']}")
        if records is not None:
            print(f"{records['total']} records, {len(records['refused'])} will fail.", flush=True)
    return findings[0].exit_code if findings else EXIT_OK


def _look_at_records(job: Job) -> dict[str, Any]:
    """Reads the input as `run` does. Raises InputError or UsageError where `run` would not begin."""
    from ._records import read_records

    records = read_records(job)
    refused = [
        {"id": record.id, "line": record.line, "code": record.refused.code, "message": str(record.refused)}
        for record in records
        if record.refused
    ]
    return {"total": len(records), "refused": refused}
