"""The ways to run a model, by the name that a job file gives them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .._allocation import Allocation
from .._job import Job
from .._models import find_model, json_files, refuse_borrowed_code, refuse_unpinned_code
from .._own_families import own_family
from .._records import Record
from .._replicas import Shared
from .base import Engine
from .echo import EchoEngine

__all__ = ["choose_backend", "create_engine"]


def choose_backend(job: Job) -> str:
    """What "auto" means for this model: "own" where the own engine knows it, else "transformers"."""
    if job.backend != "auto":
        return job.backend
    folder = find_model(job.model, job.revision)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "transformers"  # which says what is wrong with it
    known = isinstance(config, dict) and own_family(config) is not None
    has_weights = any(folder.glob("*.safetensors"))
    return "own" if known and has_weights and not job.trust_remote_code else "transformers"


def create_engine(job: Job, allocation: Allocation, shared: Shared, records: Sequence[Record]) -> Engine:
    """The engine of `job`, not opened yet. torch is imported here and only when it is needed.

    Raises UsageError for a model with code of its own that may change from one run to the next.
    """
    if job.trust_remote_code and job.backend != "echo":
        refuse_unpinned_code(job.model, job.revision)
        refuse_borrowed_code(job.model, json_files(find_model(job.model, job.revision)))
    backend = choose_backend(job)
    if backend == "echo":
        return EchoEngine(allocation)
    if backend == "own":
        from .own import OwnEngine

        return OwnEngine(job, allocation, shared, records)
    if backend == "lmdeploy":
        from .lmdeploy import LmdeployEngine

        return LmdeployEngine(job, allocation)
    if backend == "vllm":
        from .vllm import VllmEngine

        return VllmEngine(job, allocation)
    from .generate import GenerateEngine

    return GenerateEngine(job, allocation)
