"""The ways to run a model, by the name that a job file gives them."""

from __future__ import annotations

from .._job import Job
from .base import Engine
from .echo import EchoEngine

__all__ = ["create_engine"]


def create_engine(job: Job) -> Engine:
    """The engine of `job`, not loaded yet. torch is imported here and only when it is needed."""
    if job.engine == "echo":
        return EchoEngine()
    from .single import SingleEngine

    return SingleEngine(job)
