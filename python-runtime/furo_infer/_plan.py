"""How a model lies on GPUs: replicas x stages x tensor-parallel parts, what each GPU holds, and which group gives it.

Pure arithmetic over a Footprint; never imports torch, so that it runs on a login node before a job is submitted.
Sources: the measures of two real jobs on Furo (Llama-3.1-8B and Qwen3-32B, 2025), NVIDIA's figures for the V100
SXM2 32 GB. Nothing here was measured on a V100 by this project.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ._errors import UsageError
from ._footprint import Footprint, cut_by_bytes
from ._groups import Group, batch_groups

__all__ = [
    "GIB",
    "MOST_ROWS",
    "PREFILL_TOKENS",
    "TILE_BYTES",
    "GpuBytes",
    "Machine",
    "Plan",
    "Wish",
    "choose_group",
    "make_plan",
]

GIB = 1 << 30
HOUR = 3600
# CUDA context, NCCL and cuBLAS work spaces; and what fragmentation keeps from use. 32 GiB leave 28.4 GiB.
FIXED_BYTES = GIB
FRAGMENTED_SHARE = 0.08
# Tokens of prompts that are computed at once; a longer prompt comes in pieces. Those behind the first attend to the
# cache, some at a time, so that their scores in float32 take TILE_BYTES; beside these there are two copies of them.
PREFILL_TOKENS = 4096
TILE_BYTES = 128 << 20
TILE_COPIES = 3
# A layout is worth its GPUs when so much fits beside the weights: 16 rows of 2048 tokens in each micro-batch.
LEAST_ROWS, LEAST_TOKENS = 16, 2048
MOST_ROWS = 128


@dataclass(frozen=True)
class Machine:
    """What may be used: `nodes` of `gpus_per_node` GPUs with `gpu_bytes` of memory each."""

    nodes: int = 221
    gpus_per_node: int = 4
    gpu_bytes: int = 32 * GIB


@dataclass(frozen=True)
class Wish:
    """What a job asks for. `tokens` of prompt and answer of a long record; `has_longer` that a prompt of a single one
    may be longer than what is computed at once. What is None is planned."""

    tokens: int = LEAST_TOKENS
    has_longer: bool = False
    rows: int | None = None
    replicas: int | None = None
    stages: int | None = None
    tensor_parallel: int | None = None


@dataclass(frozen=True)
class GpuBytes:
    """The fullest GPU. `kv_cache` is what is left for it, `fixed` is taken by the libraries and lost in gaps."""

    weights: int
    activations: int
    logits: int
    kv_cache: int
    fixed: int

    @property
    def total(self) -> int:
        return self.weights + self.activations + self.logits + self.kv_cache + self.fixed


@dataclass(frozen=True)
class Plan:
    """`cuts` are the first layers of the stages; `rows` those of one micro-batch; `kv_tokens` what the caches of one
    replica hold over all micro-batches. `reasons` say how it came to be, `problems` what speaks against it."""

    replicas: int
    stages: int
    tensor_parallel: int
    cuts: tuple[int, ...]
    rows: int
    kv_tokens: int
    gpu: GpuBytes
    reasons: tuple[str, ...]
    problems: tuple[str, ...] = ()

    @property
    def micro_batches(self) -> int:
        return self.stages

    @property
    def gpus_per_replica(self) -> int:
        return self.stages * self.tensor_parallel

    @property
    def gpus(self) -> int:
        return self.replicas * self.gpus_per_replica

    @property
    def layout(self) -> str:
        return f"{self.replicas}x{self.stages}x{self.tensor_parallel}"


def make_plan(footprint: Footprint, machine: Machine, wish: Wish) -> Plan:
    """The smallest layout that holds the model with room for 16 rows, or the one that was asked for.

    Raises UsageError for an asked layout that is impossible; one that is only too small has `problems`.
    """
    if wish.stages is not None or wish.tensor_parallel is not None:
        return _as_asked(footprint, machine, wish)
    refused: list[str] = []
    for stages, parts in _layouts(footprint, machine):
        plan = _lay(footprint, machine, wish, stages, parts)
        if plan.kv_tokens >= LEAST_ROWS * min(wish.tokens, LEAST_TOKENS) * plan.micro_batches:
            reasons = (*refused[-2:], _why(footprint, plan), *_other_back_end(footprint, plan))
            return _filled(replace(plan, reasons=reasons), machine, wish)
        refused.append(_why_not(plan))
    most = machine.nodes * machine.gpus_per_node
    plan = _lay(footprint, machine, wish, machine.nodes, _widest(footprint, machine))
    problem = f"The model does not fit into {most} GPUs with room for {LEAST_ROWS} rows of {LEAST_TOKENS} tokens."
    return replace(plan, reasons=tuple(refused[-2:]), problems=(*plan.problems, problem))


def _layouts(footprint: Footprint, machine: Machine) -> Iterator[tuple[int, int]]:
    """(stages, parts), the fewest GPUs first: inside a node tensor parallel, between nodes stages. Where the key-value
    heads cannot be divided, stages inside the node too."""
    widest = _widest(footprint, machine)
    for gpus in (1, 2, machine.gpus_per_node):
        if gpus > machine.gpus_per_node:
            continue
        parts = min(gpus, widest)
        if gpus % parts == 0 and gpus // parts <= footprint.layers:
            yield gpus // parts, parts
    for nodes in range(2, machine.nodes + 1):
        stages = nodes * machine.gpus_per_node // widest
        if stages <= footprint.layers:
            yield stages, widest


def _widest(footprint: Footprint, machine: Machine) -> int:
    """The most tensor-parallel parts inside a node: a divisor of its GPUs and of the key-value heads."""
    return max(
        parts
        for parts in range(1, machine.gpus_per_node + 1)
        if machine.gpus_per_node % parts == 0
        and footprint.kv_heads % parts == 0
        and footprint.attention_heads % parts == 0
    )


def _lay(footprint: Footprint, machine: Machine, wish: Wish, stages: int, parts: int) -> Plan:
    cuts = cut_by_bytes(footprint, min(stages, footprint.layers))
    stages = len(cuts)
    usable = int(machine.gpu_bytes * (1 - FRAGMENTED_SHARE)) - FIXED_BYTES
    in_pieces = wish.has_longer or wish.tokens > PREFILL_TOKENS
    activations = _activation_bytes(footprint, parts, in_pieces=in_pieces)
    rows_at_most = wish.rows or MOST_ROWS
    fullest: tuple[float, int, int] | None = None
    for first, last in zip(cuts, (*cuts[1:], footprint.layers), strict=True):
        logits = rows_at_most * footprint.vocabulary * 6 if last == footprint.layers else 0
        weights = footprint.stage_bytes(first, last, parts)
        room = usable - weights - activations - logits
        tokens = room / max(1, footprint.kv_bytes(first, last, wish.tokens, parts) / wish.tokens)
        if fullest is None or tokens < fullest[0]:
            fullest = (tokens, weights, logits)
    assert fullest is not None
    tokens, weights, logits = fullest
    kv_tokens = max(0, int(tokens))
    rows = max(1, min(rows_at_most, kv_tokens // wish.tokens // stages))
    kv_bytes = max(0, usable - weights - activations - logits)
    gpu = GpuBytes(weights, activations, logits, kv_bytes, machine.gpu_bytes - usable)
    problems = [] if kv_tokens >= wish.tokens else [f"There is no room for one record of {wish.tokens} tokens."]
    if not footprint.is_own and stages > 1 and stages * parts > machine.gpus_per_node:
        problems.append(
            f'The family "{footprint.family}" is not one that the own engine can divide over several nodes.'
        )
    return Plan(1, stages, parts, cuts, rows, kv_tokens, gpu, (), tuple(problems))


def _activation_bytes(footprint: Footprint, parts: int, *, in_pieces: bool) -> int:
    """Of the largest piece of a prefill: 4 x hidden + 3 x intermediate numbers a token, and the expanded keys and
    values of one layer; where prompts come `in_pieces`, and for the capped scores of Gemma 2, a tile of scores too."""
    each = 4 * footprint.hidden_size + 3 * footprint.intermediate_size // parts
    expanded = 2 * footprint.attention_heads * footprint.head_dim // parts
    tile = TILE_COPIES * TILE_BYTES if in_pieces or footprint.family == "gemma2" else 0
    return PREFILL_TOKENS * (each + expanded) * footprint.dtype_bytes + tile


def _as_asked(footprint: Footprint, machine: Machine, wish: Wish) -> Plan:
    stages, parts = wish.stages or 1, wish.tensor_parallel or 1
    most = machine.nodes * machine.gpus_per_node
    if footprint.kv_heads % parts or footprint.attention_heads % parts:
        raise UsageError(
            "layoutImpossible",
            f"The model has {footprint.attention_heads} attention heads and {footprint.kv_heads} key-value heads, "
            f"which tensor parallel cannot divide by {parts}. Use a divisor of {footprint.kv_heads}, and stages for "
            "the rest.",
        )
    if parts > machine.gpus_per_node:
        raise UsageError(
            "layoutImpossible",
            f"Tensor parallel over {parts} GPUs would cross nodes of {machine.gpus_per_node} GPUs. "
            "Use stages for that.",
        )
    if stages > footprint.layers:
        raise UsageError(
            "layoutImpossible", f"The model has {footprint.layers} layers, too few for {stages} stages. Use fewer."
        )
    if (wish.replicas or 1) * stages * parts > most:
        raise UsageError(
            "layoutImpossible",
            f"{wish.replicas or 1} replicas x {stages} stages x {parts} parts take "
            f"{(wish.replicas or 1) * stages * parts} GPUs, but there are {most}.",
        )
    plan = _lay(footprint, machine, wish, stages, parts)
    plan = replace(plan, reasons=(f"The job asks for {stages} stages x {parts} tensor-parallel parts.",))
    return _filled(plan, machine, wish)


def _filled(plan: Plan, machine: Machine, wish: Wish) -> Plan:
    """As many replicas as asked for, or as the nodes of one replica hold."""
    own = plan.gpus_per_replica
    if wish.replicas is not None:
        return replace(plan, replicas=wish.replicas)
    inside = machine.gpus_per_node // own if 1 < own <= machine.gpus_per_node else 1
    if inside > 1:
        reason = f"The {machine.gpus_per_node} GPUs of a node hold {inside} replicas."
        return replace(plan, replicas=inside, reasons=(*plan.reasons, reason))
    return plan


def _why(footprint: Footprint, plan: Plan) -> str:
    gpus = plan.gpus_per_replica
    place = "one GPU" if gpus == 1 else f"{gpus} GPUs ({plan.stages} stages x {plan.tensor_parallel} parts)"
    return (
        f"The weights take {footprint.weight_bytes / GIB:.1f} GiB; on {place} the fullest GPU holds "
        f"{plan.gpu.weights / GIB:.1f} GiB of them, and the cache has room for {plan.kv_tokens:,} tokens."
    )


def _other_back_end(footprint: Footprint, plan: Plan) -> tuple[str, ...]:
    if footprint.is_own or plan.gpus_per_replica == 1:
        return ()
    return (
        f'The own engine does not know the family "{footprint.family}": set "backend" to "transformers", which lays '
        "the model over the GPUs of one node.",
    )


def _why_not(plan: Plan) -> str:
    gpus = plan.gpus_per_replica
    return (
        f"{gpus} GPU{'s are' if gpus > 1 else ' is'} too few: {plan.gpu.weights / GIB:.1f} GiB of weights on the "
        f"fullest GPU leave room for {plan.kv_tokens:,} tokens of cache, and {LEAST_ROWS * plan.micro_batches} rows of "
        f"{LEAST_TOKENS} are needed."
    )


def choose_group(plan: Plan, elapse_seconds: float | None) -> tuple[Group | None, int, tuple[str, ...]]:
    """The cheapest group for the plan, its nodes, and a sentence for each smaller group that does not do."""
    refused: list[str] = []
    for group in batch_groups():
        nodes = max(group.min_nodes, -(-plan.gpus // group.gpus_per_unit))
        most = group.gpus_per_unit * group.max_nodes
        if most < plan.gpus:
            refused.append(f"{group.name} gives {most} GPU{'s' if most > 1 else ''}, the plan needs {plan.gpus}.")
        elif group.max_elapse_seconds is not None and (elapse_seconds or 0) > group.max_elapse_seconds:
            refused.append(
                f"{group.name} ends jobs after {group.max_elapse_seconds // HOUR} h, the estimate is "
                f"{(elapse_seconds or 0) / HOUR:.0f} h."
            )
        else:
            return group, nodes, tuple(refused)
    return None, 0, tuple(refused)
