"""Rotary positions that change with the length of a prompt: each row gets those that it would get alone.

transformers decides by the longest row of a batch (`dynamic_rope_update` in modeling_rope_utils), so that an answer
would depend on what else is in the batch. Knows rotary modules; does not know stages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["turn_rows_apart", "turning_point", "turns_with_length"]

Turns = tuple[torch.Tensor, torch.Tensor]


def turns_with_length(config: Any) -> bool:
    """Whether the rotary positions of all tokens change with the length of the prompt, which must then be known whole
    (Phi-3 beyond 4k tokens, dynamic scaling)."""
    settings = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    each = [settings, *(one for one in settings.values() if isinstance(one, dict))]
    kinds = [str(one.get("rope_type") or one.get("type")) for one in each]
    return any(kind == "longrope" or "dynamic" in kind for kind in kinds)


def turning_point(config: Any) -> int | None:
    """The most tokens that a row holds before those in its cache turn, too, and are computed anew: as
    Phi3ForCausalLM.prepare_inputs_for_generation does, alone among the families of the own engine."""
    if config.model_type != "phi3" or not turns_with_length(config):
        return None
    return int(config.original_max_position_embeddings)


def turn_rows_apart(base: Any) -> None:
    """Lets every rotary module of `base` work row by row."""
    for module in base.modules():
        if hasattr(module, "rope_type"):
            module.forward = _row_by_row(module, module.forward)


def _row_by_row(module: Any, whole: Callable[..., Turns]) -> Callable[..., Turns]:
    def forward(hidden: torch.Tensor, position_ids: torch.Tensor, *rest: Any, **named: Any) -> Turns:
        rows = []
        for positions in torch.split(position_ids, 1):
            if module.rope_type == "dynamic":  # keeps what the longest row so far needed, and a new one has seen none
                module.inv_freq = module.original_inv_freq.to(hidden.device)
                module.max_seq_len_cached = module.original_max_seq_len
            rows.append(whole(hidden[:1], positions, *rest, **named))
        return torch.cat([cosines for cosines, _ in rows]), torch.cat([sines for _, sines in rows])

    return forward
