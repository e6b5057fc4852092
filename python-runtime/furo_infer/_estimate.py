"""How long a planned job may take: the roofline of the V100, with shares fitted to two real jobs. Never imports torch.

Nothing here was measured on a V100 by this project.
"""

from __future__ import annotations

from collections.abc import Sequence

from ._footprint import Footprint
from ._plan import Plan

__all__ = ["estimate_seconds"]

BANDWIDTH = 900e9  # bytes/s of a V100's memory
TENSOR_FLOPS = 125e12  # fp16
# 77 % is the best published share (A100). With 0.4 ms a layer of Python and launches it gives 27.8 and 8.3 tokens/s for
# the two jobs, one row at a time; measured: 29 to 32 and 7.8 to 8.1. Fitted to them; the prefill share is assumed.
DECODE_SHARE, PREFILL_SHARE = 0.77, 0.4
LAYER_SECONDS = 0.4e-3
ALL_REDUCE_SECONDS = 25e-6
LOAD_BYTES_PER_SECOND = 0.75e9  # 61 GiB took 86 s from the shared file system
START_SECONDS = 90.0  # modules, conda, imports


def estimate_seconds(
    footprint: Footprint, plan: Plan, prompt_tokens: Sequence[int], new_tokens: int
) -> tuple[float, float]:
    """(seconds of the whole job, generated tokens/s) from the roofline of the V100, all answers as long as they may
    be. An estimate, never measured on a V100."""
    if not prompt_tokens:
        return START_SECONDS, 0.0
    mean = sum(prompt_tokens) / len(prompt_tokens)
    context = mean + new_tokens / 2
    slowest = 0.0
    for first, last in zip(plan.cuts, (*plan.cuts[1:], footprint.layers), strict=True):
        kv = plan.rows * footprint.kv_bytes(first, last, max(1, int(context)), plan.tensor_parallel)
        read = footprint.stage_bytes(first, last, plan.tensor_parallel) + kv
        reduce = 2 * ALL_REDUCE_SECONDS if plan.tensor_parallel > 1 else 0.0
        slowest = max(slowest, read / (BANDWIDTH * DECODE_SHARE) + (last - first) * (LAYER_SECONDS + reduce))
    rows = min(plan.rows, -(-len(prompt_tokens) // (plan.replicas * plan.stages)))
    rate = plan.replicas * rows / slowest
    decode = len(prompt_tokens) * new_tokens / rate
    operations = 2 * footprint.weight_bytes / footprint.dtype_bytes * sum(prompt_tokens)
    prefill = operations / (TENSOR_FLOPS * PREFILL_SHARE * plan.gpus)
    load = footprint.weight_bytes / LOAD_BYTES_PER_SECOND
    return START_SECONDS + load + prefill + decode, rate
