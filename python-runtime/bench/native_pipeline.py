"""Two processes, one model in two stages: transformers' own pipeline parallel beside ours, on ragged records.

python bench/native_pipeline.py
"""

from __future__ import annotations

import os
import random
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from common import DEMO_MODEL, Going, Pile, Row, print_table, random_llama, record, text_of
from transformers import AutoModelForCausalLM

from furo_infer._allocation import Allocation
from furo_infer._job import Batch, Job, Layout
from furo_infer._records import Record
from furo_infer._replicas import StoreShared
from furo_infer.engines.own import OwnEngine

RECORDS, NEW_TOKENS, STAGES = 32, 32, 2


def _records() -> list[Record]:
    chosen = random.Random(5)
    return [record(n, text_of(chosen.randint(4, 60), n), NEW_TOKENS) for n in range(RECORDS)]


def _process(rank: int, ports: tuple[int, int], model: str, rounds: int, results: Any) -> None:
    torch.set_num_threads(1)
    environment = {"RANK": rank, "WORLD_SIZE": STAGES, "LOCAL_RANK": rank, "MASTER_PORT": ports[1]}
    os.environ.update({name: str(value) for name, value in environment.items()}, MASTER_ADDR="127.0.0.1")
    store = dist.TCPStore("127.0.0.1", ports[0], STAGES, is_master=rank == 0)
    records = _records()
    job = Job(model, Path("i"), Path("o"), batch=Batch(rows=RECORDS // STAGES), layout=Layout(stages=STAGES))
    shared = StoreShared(store, rank, STAGES)
    engine = OwnEngine(job, Allocation(rank=rank, processes=STAGES, local_processes=STAGES), shared, records)
    engine.open()
    engine.load()
    from transformers.distributed import DistributedConfig

    peer = AutoModelForCausalLM.from_pretrained(model, distributed_config=DistributedConfig(pp_size=STAGES))
    requests = sorted((engine.prepare(one) for one in records), key=lambda request: -request.tokens)
    width = max(one.tokens for one in requests)
    ids = torch.zeros((RECORDS, width), dtype=torch.long)
    mask = torch.zeros((RECORDS, width), dtype=torch.long)
    for index, one in enumerate(requests):
        ids[index, width - one.tokens :], mask[index, width - one.tokens :] = torch.tensor(one.ids), 1
    best = {"peer": float("inf"), "own": float("inf")}
    said: dict[str, list[str]] = {}
    for _ in range(rounds):
        dist.barrier()
        began = time.perf_counter()
        with torch.inference_mode():
            output = peer.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0
            )
        best["peer"] = min(best["peer"], time.perf_counter() - began)
        said["peer"] = [engine._opened.decode(row) for row in output[:, width:].tolist()]
        dist.barrier()
        began = time.perf_counter()
        pile = Pile(requests)
        engine.run(pile, Going())
        best["own"] = min(best["own"], time.perf_counter() - began)
        if rank == 0:
            said["own"] = [pile.answers[one.record.id].text or "" for one in requests]
    if rank == 0:
        results.put((best, said, [one.ids for one in requests]))
    dist.barrier()


def row(name: str, model: Path, rounds: int) -> Row:
    from transformers import AutoTokenizer

    ports = (_free_port(), _free_port())
    context = mp.get_context("spawn")
    results = context.SimpleQueue()
    mp.start_processes(_process, args=(ports, str(model), rounds, results), nprocs=STAGES, start_method="spawn")
    best, said, prompts = results.get()
    tokenizer = AutoTokenizer.from_pretrained(model)
    alone = AutoModelForCausalLM.from_pretrained(model)
    right = {"peer": 0, "own": 0}
    for index, prompt in enumerate(prompts):
        given = torch.tensor([prompt])
        with torch.inference_mode():
            output = alone.generate(
                input_ids=given,
                attention_mask=torch.ones_like(given),
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                pad_token_id=0,
            )
        text = tokenizer.decode(output[0, len(prompt) :], skip_special_tokens=True)
        for way in right:
            right[way] += said[way][index] == text
    figures = (
        f"{best['peer']:.1f} -> {best['own']:.1f} s; right answers {right['peer']} and {right['own']} of {RECORDS}"
    )
    return Row(
        f"2 stages, {RECORDS} ragged records, {name}",
        "transformers pp_size=2",
        figures,
        best["peer"] / best["own"],
        1.2,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rows(rounds: int = 2) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        model = random_llama(Path(folder) / "llama-150m")
        return [row("SmolLM2-135M", DEMO_MODEL, rounds), row("Llama of 150M random weights", model, rounds)]


if __name__ == "__main__":
    print_table(rows())
