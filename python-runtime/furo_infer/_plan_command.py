"""The verb `plan`: what a job needs and where it fits, before it is submitted. Runs on a login node's plain Python."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ._errors import EXIT_OK, ModelError
from ._estimate import estimate_seconds
from ._footprint import Footprint, read_footprint
from ._groups import Group
from ._job import Job, read_job
from ._plan import GIB, LEAST_TOKENS, Machine, Plan, Wish, choose_group, make_plan

__all__ = ["add_arguments", "run"]

# Without a tokenizer: about 3 characters of UTF-8 text a token, and what a chat template adds.
CHARACTERS_PER_TOKEN = 3
TEMPLATE_TOKENS = 30
# What an estimate may be wrong by, and the step in which limits are usually asked for.
SAFETY = 1.5
ELAPSE_STEP_SECONDS = 600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", type=Path, metavar="JOB.json")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--gpu-memory", type=_bytes, default=32 * GIB, metavar="32GiB", help="memory of one GPU")
    parser.add_argument("--gpus-per-node", type=_count, default=4, metavar="N")
    parser.add_argument("--max-nodes", type=_count, default=64, metavar="N", help="nodes that may be used")


def run(chosen: argparse.Namespace) -> int:
    job = read_job(chosen.job)
    folder = _model_folder(job)
    # On a V100 the half precision is fp16, whatever the checkpoint is in.
    footprint = read_footprint(folder, "float32" if job.dtype == "float32" else "float16")
    prompts = list(_prompt_tokens(job.input))
    new_tokens = job.generation.max_new_tokens
    # The longest of a hundred: a few longer ones go in smaller batches.
    longest = sorted(prompts)[int(0.99 * (len(prompts) - 1))] + new_tokens if prompts else LEAST_TOKENS
    machine = Machine(chosen.max_nodes, chosen.gpus_per_node, chosen.gpu_memory)
    layout = job.layout
    wish = Wish(longest, rows=job.batch.rows, **dataclasses.asdict(layout))
    plan = make_plan(footprint, machine, wish)
    seconds, rate = estimate_seconds(footprint, plan, prompts, new_tokens)
    limit = -(-int(seconds * SAFETY) // ELAPSE_STEP_SECONDS) * ELAPSE_STEP_SECONDS if prompts else None
    group, nodes, refused = choose_group(plan, limit)
    problems = list(plan.problems)
    if group is None:
        problems.append("No resource group of Furo gives what the plan needs.")
    value = _value(footprint, plan, group, nodes, limit, rate, [*plan.reasons, *refused], problems, len(prompts))
    print(json.dumps(value, ensure_ascii=False) if chosen.json else _text(job, footprint, value))
    return EXIT_OK


def _value(
    footprint: Footprint,
    plan: Plan,
    group: Group | None,
    nodes: int,
    limit: int | None,
    rate: float,
    reasons: Sequence[str],
    problems: Sequence[str],
    records: int,
) -> dict[str, Any]:
    """The plan as test/fixtures/contract/plan.json shows it."""
    return {
        "version": 1,
        "replicas": plan.replicas,
        "stages": plan.stages,
        "tensor_parallel": plan.tensor_parallel,
        "cuts": list(plan.cuts),
        "micro_batches": plan.micro_batches,
        "rows": plan.rows,
        "kv_tokens": plan.kv_tokens,
        "records": records,
        "weight_bytes": footprint.weight_bytes,
        "bytes_per_gpu": plan.gpu.total - plan.gpu.kv_cache,
        "gpu": {
            "weight_bytes": plan.gpu.weights,
            "activation_bytes": plan.gpu.activations,
            "logits_bytes": plan.gpu.logits,
            "kv_cache_bytes": plan.gpu.kv_cache,
            "fixed_bytes": plan.gpu.fixed,
        },
        "tokens_per_second": round(rate, 1),
        "elapse_seconds": limit,
        "group": None if group is None else {"name": group.name, "nodes": nodes},
        "reasons": list(reasons),
        "problems": list(problems),
    }


def _text(job: Job, footprint: Footprint, value: dict[str, Any]) -> str:
    gpu = value["gpu"]
    counted = "" if footprint.from_files else " (counted from config.json; the weight files are not here)"
    group = value["group"]
    where = "nowhere" if group is None else f"{group['name']}, {group['nodes']} node{'s' if group['nodes'] > 1 else ''}"
    lines = [
        f"Plan for {job.model} ({footprint.family}){counted}",
        f"  where        {where}",
        f"  layout       {_many(value['replicas'], 'replica')} x {_many(value['stages'], 'stage')} x "
        f"{_many(value['tensor_parallel'], 'tensor-parallel part')}",
        f"  stages from  layer {', '.join(str(cut) for cut in value['cuts'])} of {footprint.layers}",
        f"  rows         {value['rows']} in each of {_many(value['micro_batches'], 'micro-batch', 'micro-batches')}",
        "  fullest GPU  "
        + ", ".join(
            f"{name} {gpu[f'{key}_bytes'] / GIB:.1f} GiB"
            for name, key in (
                ("weights", "weight"),
                ("activations", "activation"),
                ("logits", "logits"),
                ("cache", "kv_cache"),
                ("libraries and gaps", "fixed"),
            )
        ),
    ]
    if value["elapse_seconds"] is not None:
        lines.append(
            f"  elapse       {_clock(value['elapse_seconds'])} for {value['records']} records, at most "
            f"{value['tokens_per_second']:g} tokens/s (an estimate, not measured on a V100)"
        )
        lines.append(f"               prompts counted roughly, {CHARACTERS_PER_TOKEN} characters a token")
    lines += ["", *value["reasons"]]
    lines += [f"Problem: {problem}" for problem in value["problems"]]
    return "\n".join(lines)


def _many(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _model_folder(job: Job) -> Path:
    """The model's folder without asking the network: a path, or a snapshot in the hub's cache."""
    folder = Path(job.model).expanduser()
    if (folder / "config.json").is_file():
        return folder
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    repository = cache / f"models--{job.model.replace('/', '--')}"
    commit = job.revision or "main"
    named = repository / "refs" / commit
    if named.is_file():
        commit = named.read_text(encoding="utf-8").strip()
    snapshot = repository / "snapshots" / commit
    if (snapshot / "config.json").is_file():
        return snapshot
    raise ModelError(
        "modelNotFound",
        f"There is no model at {folder.absolute()}, and none named {job.model} in the cache {cache}. "
        "A plan asks no network: download the model first, or check the path.",
    )


def _prompt_tokens(path: Path) -> Iterator[int]:
    """A rough length of each prompt. Lines that cannot be read are left to the run."""
    try:
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield len(line.decode("utf-8", "replace")) // CHARACTERS_PER_TOKEN + TEMPLATE_TOKENS
    except OSError:
        return


def _bytes(text: str) -> int:
    number, unit = text.rstrip("iBb "), 1
    for letter, size in (("G", GIB), ("M", 1 << 20), ("K", 1 << 10)):
        if number.upper().endswith(letter):
            number, unit = number[:-1], size
    try:
        count = int(float(number) * unit)
    except (ValueError, OverflowError):
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size of memory; write it as 32GiB")
    return count


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)
