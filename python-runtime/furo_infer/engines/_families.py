"""What the own engine has to know of each family of models: names, and how weights are cut for tensor parallel.

A table, no torch. A family that is not here runs on the back end "transformers".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import ModelError
from .._own_families import own_family

__all__ = ["FAMILIES", "Family", "family_of", "layer_windows"]


@dataclass(frozen=True)
class Family:
    """Names inside the base model of transformers, without its prefix.

    `cut` maps the end of a weight's name to the dimension that tensor parallel divides. `summed` are the modules
    whose outputs the parts add up; their biases stay with part 0. `fused` are weights that hold several matrices
    of which each is divided by itself, as the sizes along the cut dimension in units named by the configuration.
    """

    layers: str = "layers"
    embedding: str = "embed_tokens"
    norm: str = "norm"
    cut: Mapping[str, int] = field(default_factory=dict)
    summed: tuple[str, ...] = ("self_attn.o_proj", "mlp.down_proj")
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Gemma on transformers 4.x scales what enters every stage by the square root of the hidden size.
    scales_input: bool = False


_ATTENTION = {f"self_attn.{name}_proj.{part}": 0 for name in "qkv" for part in ("weight", "bias")}
_LLAMA = {
    **_ATTENTION,
    "self_attn.o_proj.weight": 1,
    "mlp.gate_proj.weight": 0,
    "mlp.gate_proj.bias": 0,
    "mlp.up_proj.weight": 0,
    "mlp.up_proj.bias": 0,
    "mlp.down_proj.weight": 1,
}
_QKV = ("heads", "kv_heads", "kv_heads")

FAMILIES: Mapping[str, Family] = {
    "llama": Family(cut=_LLAMA),
    "qwen2": Family(cut=_LLAMA),
    "qwen3": Family(cut=_LLAMA),
    "mistral": Family(cut=_LLAMA),
    "gemma2": Family(cut=_LLAMA, scales_input=True),
    "gemma3_text": Family(cut=_LLAMA, scales_input=True),
    "phi3": Family(
        cut={
            "self_attn.qkv_proj.weight": 0,
            "self_attn.o_proj.weight": 1,
            "mlp.gate_up_proj.weight": 0,
            "mlp.down_proj.weight": 1,
        },
        fused={"self_attn.qkv_proj.weight": _QKV, "mlp.gate_up_proj.weight": ("intermediate", "intermediate")},
    ),
    "gpt2": Family(
        layers="h",
        embedding="wte",
        norm="ln_f",
        # GPT-2 keeps its weights as (in, out), the others as (out, in).
        cut={
            "attn.c_attn.weight": 1,
            "attn.c_attn.bias": 0,
            "attn.c_proj.weight": 0,
            "mlp.c_fc.weight": 1,
            "mlp.c_fc.bias": 0,
            "mlp.c_proj.weight": 0,
        },
        summed=("attn.c_proj", "mlp.c_proj"),
        fused={"attn.c_attn.weight": ("heads",) * 3, "attn.c_attn.bias": ("heads",) * 3},
    ),
    "mixtral": Family(
        cut={
            **_ATTENTION,
            "self_attn.o_proj.weight": 1,
            # transformers 5.x holds all experts of a layer in one tensor, 4.x each in its own.
            "mlp.experts.gate_up_proj": 1,
            "mlp.experts.down_proj": 2,
            "w1.weight": 0,
            "w3.weight": 0,
            "w2.weight": 1,
        },
        summed=("self_attn.o_proj", "mlp.experts", "w2"),
        fused={"mlp.experts.gate_up_proj": ("intermediate", "intermediate")},
    ),
}


def family_of(config: Any) -> tuple[str, Family]:
    """The family of a transformers configuration, of the whole model or of its text part. Raises ModelError for one
    that the own engine does not run."""
    if getattr(config, "quantization_config", None):
        raise ModelError(
            "familyUnknown",
            'The own engine does not run quantized weights. Set "backend" to "transformers" (--backend transformers).',
        )
    name = own_family({"model_type": config.model_type})
    if name is None:
        raise ModelError(
            "familyUnknown",
            f'The own engine does not know the family "{config.model_type}"; it knows {", ".join(FAMILIES)}. '
            'Set "backend" to "transformers" (--backend transformers), which runs any model on the GPUs of one node.',
        )
    if name == "gpt2" and getattr(config, "scale_attn_by_inverse_layer_idx", False):
        raise ModelError(
            "familyUnknown",
            "The own engine does not know GPT-2 models that scale the attention by the number of the layer. "
            'Set "backend" to "transformers".',
        )
    return name, FAMILIES[name]


def layer_windows(config: Any) -> tuple[int | None, ...]:
    """The sliding window of every layer in tokens, None for full attention; over all layers of the model."""
    count = int(config.num_hidden_layers)
    window = getattr(config, "sliding_window", None)
    if window is None or getattr(config, "use_sliding_window", True) is False:
        return (None,) * count
    types = getattr(config, "layer_types", None)
    if types:
        return tuple(window if kind == "sliding_attention" else None for kind in types)
    # transformers 4.52 keeps these rules in the code of each family instead.
    if config.model_type == "gemma2":
        return tuple(None if index % 2 else window for index in range(count))
    if config.model_type == "gemma3_text":
        pattern = int(getattr(config, "sliding_window_pattern", 6))
        return tuple(window if (index + 1) % pattern else None for index in range(count))
    if config.model_type == "qwen2":
        first = int(getattr(config, "max_window_layers", count))
        return tuple(window if index >= first else None for index in range(count))
    return (window,) * count
