"""The command line: `python -m furo_infer run JOB.json`, and `check JOB.json`, which only reads.

Knows arguments, exit codes and stderr; does not know how a run works.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__
from ._allocation import read_allocation
from ._errors import EXIT_OK, FuroInferError
from ._job import read_job


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code. An expected failure is one line on stderr; a defect goes through with its traceback."""
    chosen = _parser().parse_args(arguments)
    try:
        return _run(chosen.job) if chosen.command == "run" else _check(chosen.job)
    except FuroInferError as error:
        print(f"furo_infer: error: {error.message}", file=sys.stderr, flush=True)
        return error.exit_code


def _run(path: Path) -> int:
    from ._run import run_job

    return run_job(read_job(path), read_allocation(os.environ))


def _check(path: Path) -> int:
    """Reads the job file and its input as `run` does, loads and writes nothing."""
    from ._records import read_records

    job = read_job(path)
    records = read_records(job)
    refused = [record for record in records if record.refused]
    for record in refused:
        print(f"record {record.id} (line {record.line}) will fail: {record.refused}")
    print(f"{len(records)} records, {len(refused)} will fail.")
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="furo_infer", description="Batch LLM inference over a JSONL file.")
    parser.add_argument("--version", action="version", version=f"furo_infer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("run", "run a job file"), ("check", "only check a job file and its input")):
        command = commands.add_parser(name, help=text)
        command.add_argument("job", type=Path, metavar="JOB.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
