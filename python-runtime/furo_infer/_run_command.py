"""The verb `run`: a job file, and what the command line overrules of it."""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

from ._allocation import read_allocation
from ._job import BACKENDS, DTYPES, POLICIES, Job, read_job

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", type=Path, metavar="JOB.json")
    for name, text in (
        ("replicas", "copies of the model"),
        ("stages", "pipeline stages of each copy"),
        ("tensor-parallel", "GPUs among which each stage is divided"),
    ):
        parser.add_argument(f"--{name}", type=_count, metavar="N", help=text)
    parser.add_argument("--policy", choices=POLICIES, help='how the back end "transformers" places a model on GPUs')
    parser.add_argument("--dtype", choices=DTYPES, help="number format of the weights")
    parser.add_argument("--backend", choices=BACKENDS, help="what computes the answers")


def run(chosen: argparse.Namespace) -> int:
    from ._run import run_job

    return run_job(_overruled(read_job(chosen.job), chosen), read_allocation(os.environ))


def _overruled(job: Job, chosen: argparse.Namespace) -> Job:
    layout = {
        name: getattr(chosen, name)
        for name in ("replicas", "stages", "tensor_parallel")
        if getattr(chosen, name) is not None
    }
    own = {name: getattr(chosen, name) for name in ("policy", "dtype", "backend") if getattr(chosen, name) is not None}
    return dataclasses.replace(job, layout=dataclasses.replace(job.layout, **layout), **own)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number
