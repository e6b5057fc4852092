"""The own engine: one device, replicas, tensor parallel and pipeline, all as one program.

A replica is `stages` x `tensor_parallel` processes with one GPU each; one of them leads. Known families only
(`_families.py`). Answers in float32 are token for token those of transformers' generate() on each record alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from .._allocation import Allocation
from .._errors import ModelError, UsageError
from .._footprint import Footprint, cut_by_bytes, read_footprint
from .._job import Job
from .._measures import Measures
from .._plan import MOST_ROWS, PREFILL_TOKENS, Machine, Wish, make_plan
from .._records import Record
from .._replicas import Shared, StoreShared
from ._devices import choose_device, choose_dtype, device_name, device_notes, peak_bytes
from ._families import family_of
from ._grammar import Grammar
from ._leader import Leader, Limits
from ._links import Alone, Links
from ._rotary import turning_point, turns_with_length
from ._rows import Chance
from ._stage import load_stage
from ._tokens import Tokens
from ._torch_links import Mesh, join_mesh
from ._worker import Worker
from .base import Loaded, Request, Watch, Work

__all__ = ["OwnEngine"]

CPU_ROWS = 16


class OwnEngine:
    """`records` are all records of the input, in its order: where tokens are chosen need not be where they are read."""

    def __init__(self, job: Job, allocation: Allocation, shared: Shared, records: Sequence[Record]) -> None:
        self._job = job
        self._allocation = allocation
        self._shared = shared
        self._records = records
        self._tokens: Tokens | None = None
        self._grammar: Grammar
        self._mesh = Mesh(allocation.processes, 1, 1)
        self._links: Links = Alone()
        self._worker: Worker | None = None
        self._limits = Limits(rows=job.batch.rows or CPU_ROWS)
        self._widens = False
        self._device = torch.device("cpu")
        self._dtype = torch.float32
        self._cuts: tuple[int, ...] = (0,)

    @property
    def replica(self) -> int:
        return self._mesh.place(self._allocation.rank)[0]

    @property
    def leads(self) -> bool:
        return self._mesh.place(self._allocation.rank)[1].leads

    @property
    def worker(self) -> Worker:
        assert self._worker is not None
        return self._worker

    def open(self) -> None:
        tokens = self._tokens = Tokens(self._job)
        self._grammar = Grammar(tokens)
        family_of(tokens.config)
        config = tokens.config.get_text_config()
        self._device = device = choose_device(self._job.device, self._allocation)
        self._dtype = choose_dtype(self._job.dtype, device, config)
        footprint = read_footprint(tokens.folder, str(self._dtype).removeprefix("torch."))
        self._mesh = _mesh(self._job, self._allocation, footprint, device)
        self._cuts = cut_by_bytes(footprint, self._mesh.stages)
        self._limits.micro_batches = self._mesh.stages
        self._limits.in_pieces = not turns_with_length(config)
        self._limits.turns_at = turning_point(config)
        if device.type == "cuda":
            self._fit_memory(footprint)

    def prepare(self, record: Record) -> Request:
        self._grammar.matcher(record.response_format)  # refuses what cannot be kept before a weight is loaded
        return self._opened.prepare(record)

    def load(self) -> Loaded:
        """Every process its own stage, none more than that."""
        job, mesh, tokens = self._job, self._mesh, self._opened
        config = tokens.config.get_text_config()
        device, dtype = self._device, self._dtype
        if device.type == "cpu" and self._allocation.local_processes > 1:
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // self._allocation.local_processes))
        if isinstance(self._shared, StoreShared):
            self._links = join_mesh(mesh, self._allocation.rank, self._shared.store, device)
        try:
            stage = load_stage(tokens.folder, config, self._cuts, self._links, dtype, device)
        except torch.cuda.OutOfMemoryError as error:
            raise ModelError(
                "modelTooLarge",
                f"The model {job.model} does not fit into the memory of {mesh.stages * mesh.parts} GPUs ({error}). "
                "Choose a smaller model, or more GPUs for each replica (furo_infer plan says how many).",
            ) from error
        self._widens = dtype != torch.float32
        self._worker = Worker(stage, self._links, self._limits.rows, self._chance_of, tokens.pad_token)
        layout = f"{mesh.replicas}x{mesh.stages}x{mesh.parts}"
        notes = device_notes(device, dtype)
        notes += tokens.notes(job)
        return Loaded(device_name(device), str(dtype).removeprefix("torch."), tuple(notes), layout)

    @torch.inference_mode()
    def run(self, work: Work, watch: Watch) -> None:
        if not self.leads:
            self.worker.follow()
            return
        number_of = {record.id: number for number, record in enumerate(self._records)}
        leader = Leader(
            self.worker,
            self._receive,
            self._opened,
            self._limits,
            lambda request: number_of[request.record.id],
            widens=self._widens,
            by_itself=self._mesh.stages * self._mesh.parts == 1,
        )
        leader.run(work, watch)

    def peak_bytes(self) -> int:
        return peak_bytes(self._device)

    def measure(self) -> Measures:
        if self._mesh.stages == 1 or self._worker is None:
            return Measures(self.peak_bytes())
        place = self._mesh.place(self._allocation.rank)[1]
        return Measures(self.peak_bytes(), place.stage, self._worker.busy.idle())

    def _fit_memory(self, footprint: Footprint) -> None:
        """As many rows as the caches of all GPUs hold: counted, not tried, so that every process knows the same."""
        machine = _machine(self._allocation, self._device)
        wish = Wish(
            rows=self._job.batch.rows,
            has_longer=(footprint.context_tokens or PREFILL_TOKENS + 1) > PREFILL_TOKENS,
            replicas=1,
            stages=self._mesh.stages,
            tensor_parallel=self._mesh.parts,
        )
        plan = make_plan(footprint, machine, wish)
        self._limits.rows = self._job.batch.rows or MOST_ROWS
        self._limits.kv_tokens = max(plan.kv_tokens // self._mesh.stages, 1)

    @property
    def _opened(self) -> Tokens:
        assert self._tokens is not None
        return self._tokens

    def _receive(self, rows: int) -> torch.Tensor:
        tokens = torch.zeros(rows, dtype=torch.long)
        self._links.receive_tokens(tokens)
        return tokens

    def _chance_of(self, number: int) -> Chance:
        record = self._records[number]
        return Chance(record.id, record.generation, self._grammar.matcher(record.response_format))


def _machine(allocation: Allocation, device: torch.device) -> Machine:
    """The GPUs of this run, as many a node as processes."""
    memory = int(torch.cuda.get_device_properties(device).total_memory)
    nodes = -(-allocation.processes // allocation.local_processes)
    return Machine(nodes, allocation.local_processes, memory)


def _mesh(job: Job, allocation: Allocation, footprint: Footprint, device: torch.device) -> Mesh:
    """The layout of the job file; what it leaves open is planned on GPUs, and replicas on the CPU."""
    asked, processes = job.layout, allocation.processes
    stages, parts = asked.stages, asked.tensor_parallel
    if device.type == "cuda" and stages is None and parts is None and processes > 1:
        plan = make_plan(footprint, _machine(allocation, device), Wish())
        stages, parts = plan.stages, plan.tensor_parallel
    stages, parts = stages or 1, parts or 1
    replicas = asked.replicas or max(1, processes // (stages * parts))
    if replicas * stages * parts != processes:
        raise UsageError(
            "layoutImpossible",
            f"The layout of {replicas} replicas x {stages} stages x {parts} tensor-parallel parts takes "
            f"{replicas * stages * parts} processes, but {processes} were started. Correct the layout, or the number "
            "of GPUs of the job.",
        )
    # Says what is wrong with a layout that this model cannot have.
    make_plan(footprint, Machine(processes, parts), Wish(stages=stages, tensor_parallel=parts))
    return Mesh(replicas, stages, parts)
