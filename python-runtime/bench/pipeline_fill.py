"""How well a pipeline of four processes is filled, with stages that sleep 20 ms instead of computing.

python bench/pipeline_fill.py
"""

from __future__ import annotations

import socket
import time
from typing import Any

import torch
import torch.multiprocessing as mp
from common import Going, Pile, Row, print_table, record
from scheduling import Lengths
from torch.distributed import TCPStore

from furo_infer._job import Generation
from furo_infer.engines._leader import Leader, Limits
from furo_infer.engines._rows import Chance
from furo_infer.engines._torch_links import Mesh, join_mesh
from furo_infer.engines._worker import Worker
from furo_infer.engines.base import Request

STAGES = 4
SLEEP_SECONDS = 0.02
STEPS = 60


class SleepingStage:
    """Has the shape of a stage and takes its time."""

    hidden_size = 8
    dtype = torch.float32
    device = torch.device("cpu")
    shapes: tuple[Any, ...] = ()
    weighted: tuple[Any, ...] = ()

    def forward(self, given: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
        time.sleep(SLEEP_SECONDS)
        return torch.zeros((*positions.shape, self.hidden_size))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.zeros((hidden.shape[0], 4))


def _process(rank: int, port: int, results: Any) -> None:
    torch.set_num_threads(1)
    store = TCPStore("127.0.0.1", port, STAGES, is_master=rank == 0)
    links = join_mesh(Mesh(1, STAGES, 1), rank, store, torch.device("cpu"))
    stage: Any = SleepingStage()

    def receive(rows: int) -> torch.Tensor:
        tokens = torch.zeros(rows, dtype=torch.long)
        links.receive_tokens(tokens)
        return tokens

    for micro_batches in (1, STAGES):
        worker = Worker(stage, links, 1, lambda number: Chance(str(number), Generation()), 0)
        if rank > 0:
            worker.follow()
            continue
        tokens: Any = Lengths([STEPS] * micro_batches)
        requests = [Request(record(n, "", 1), "", (1,) * 4) for n in range(micro_batches)]
        leader = Leader(
            worker,
            receive,
            tokens,
            Limits(rows=1, micro_batches=micro_batches),
            lambda request: int(request.record.id),
            widens=False,
            by_itself=False,
        )
        began = time.perf_counter()
        leader.run(Pile(requests), Going())
        results.put((micro_batches, STEPS * micro_batches / (time.perf_counter() - began)))


def rows() -> list[Row]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = mp.get_context("spawn")
    results = context.SimpleQueue()
    mp.start_processes(_process, args=(port, results), nprocs=STAGES, start_method="spawn")
    rates = dict(results.get() for _ in range(2))
    ideal = 1 / SLEEP_SECONDS
    figures = (
        f"{rates[1]:.1f} -> {rates[STAGES]:.1f} steps/s "
        f"({rates[1] * STAGES / ideal:.2f} and {rates[STAGES] / ideal:.2f} of the ideal)"
    )
    work = f"pipeline fill, {STAGES} stages of {SLEEP_SECONDS * 1000:.0f} ms"
    return [Row(work, "naive, one micro-batch", figures, rates[STAGES] / rates[1], 3.4)]


if __name__ == "__main__":
    print_table(rows())
