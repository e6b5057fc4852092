"""Which part of a model lies on which device, as accelerate places it: from the configuration, without any weights.

Knows models on torch's meta device and accelerate's two functions; does not know how a placement is shown or loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from accelerate import infer_auto_device_map, init_empty_weights
from accelerate.utils import get_balanced_memory
from transformers import AutoModelForCausalLM

from ._plan import FIXED_BYTES, FRAGMENTED_SHARE, LEAST_ROWS, LEAST_TOKENS

__all__ = [
    "RULES",
    "DeviceMap",
    "DeviceShare",
    "Part",
    "Placement",
    "device_map_of",
    "empty_model",
    "kv_bytes_per_token",
    "layer_classes",
    "parts_by_device",
    "place",
]

# Who decides: accelerate's public functions, or what device_map="auto" does in the installed transformers (from 5.0
# on it has functions of its own, which keep more room for the largest matrix and so fill the first GPUs further).
RULES = ("accelerate", "transformers")
# Less KV cache than this on a GPU makes batches too small to be worth it.
USEFUL_TOKENS = LEAST_ROWS * LEAST_TOKENS

DeviceMap = dict[str, int | str]


@dataclass(frozen=True)
class Part:
    """A module that stays in one piece. `layer` is its number among the layers, None for what is no layer."""

    name: str
    bytes: int
    layer: int | None


@dataclass(frozen=True)
class DeviceShare:
    """What one device holds. `usable_bytes` and `kv_tokens` are None for the CPU and the disk; `kv_tokens` is how
    many tokens (rows x context) of KV cache fit beside the weights, None also where no layer lies here."""

    device: int | str
    parts: tuple[Part, ...]
    usable_bytes: int | None = None
    kv_tokens: int | None = None

    @property
    def name(self) -> str:
        return f"GPU {self.device}" if isinstance(self.device, int) else str(self.device)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(part.layer for part in self.parts if part.layer is not None)

    @property
    def room_bytes(self) -> int | None:
        """Left for the KV cache; negative when the weights alone are more than is usable."""
        return None if self.usable_bytes is None else self.usable_bytes - self.bytes


@dataclass(frozen=True)
class Placement:
    """`memory_bytes` is the nominal memory of each GPU; `device_map` is what from_pretrained() takes."""

    policy: str
    rules: str
    dtype: str
    gpus: int
    memory_bytes: int
    device_map: DeviceMap
    shares: tuple[DeviceShare, ...]
    kv_bytes_per_token_and_layer: int

    @property
    def total_bytes(self) -> int:
        return sum(share.bytes for share in self.shares)


def place(
    config: Any,
    policy: str,
    *,
    gpus: int,
    memory_bytes: int,
    dtype: str,
    rules: str = RULES[0],
    trust_remote_code: bool = False,
) -> Placement:
    """Where `policy` puts a model of `config` on `gpus` GPUs of `memory_bytes` each. What does not fit goes to "disk".

    Raises ValueError for an architecture without a causal language model.
    """
    model = empty_model(config, getattr(torch, dtype), trust_remote_code=trust_remote_code)
    memory: dict[int | str, int] = dict.fromkeys(range(gpus), memory_bytes)
    device_map = device_map_of(model, policy, memory, rules=rules)
    kv_bytes = kv_bytes_per_token(config.get_text_config(), getattr(torch, dtype).itemsize)
    parts = {**dict.fromkeys(memory, ()), **parts_by_device(model, device_map)}
    usable = max(0, int(memory_bytes * (1 - FRAGMENTED_SHARE)) - FIXED_BYTES)
    shares = tuple(_share(device, held, usable, kv_bytes) for device, held in parts.items())
    return Placement(policy, rules, dtype, gpus, memory_bytes, device_map, shares, kv_bytes)


def empty_model(config: Any, dtype: torch.dtype, *, trust_remote_code: bool = False) -> Any:
    """The model of `config` with parameters on torch's meta device: every shape, no memory."""
    keyword = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
    with init_empty_weights():
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code, **{keyword: dtype})
    model.tie_weights()  # init_empty_weights() makes every parameter anew, which cuts the ties
    return model


def device_map_of(model: Any, policy: str, memory: Mapping[int | str, int], *, rules: str = RULES[0]) -> DeviceMap:
    """Module -> device. `memory` has bytes for each device (0, 1, ..., "cpu"); what fits on none goes to "disk"."""
    whole = layer_classes(model)
    balanced, infer = (
        (get_balanced_memory, infer_auto_device_map) if rules == "accelerate" else _functions_of_transformers()
    )
    log = logging.getLogger("accelerate.utils.modeling")
    level = log.level
    log.setLevel(logging.ERROR)  # it warns of GPUs that this machine lacks, which is the point here
    try:
        limits = dict(memory)
        if policy != "sequential":
            limits = balanced(
                model, max_memory=limits, no_split_module_classes=whole, low_zero=policy == "balanced_low_0"
            )
        return dict(infer(model, max_memory=limits, no_split_module_classes=whole))
    finally:
        log.setLevel(level)


def _functions_of_transformers() -> tuple[Any, Any]:
    """The pair that device_map="auto" uses in this transformers: its own since 5.0, accelerate's before."""
    from transformers.integrations import accelerate as own

    return getattr(own, "get_balanced_memory", get_balanced_memory), getattr(
        own, "infer_auto_device_map", infer_auto_device_map
    )


def layer_classes(model: Any) -> list[str]:
    """The classes of layers, which stay whole. transformers 4 finds them with a method, 5 has them in the model."""
    find = getattr(model, "_get_no_split_modules", None)
    return sorted((find("auto") if find else model._no_split_modules) or [])


def parts_by_device(model: Any, device_map: DeviceMap) -> dict[int | str, tuple[Part, ...]]:
    """The parts on each device that has any, in the order of the model."""
    parts: dict[int | str, tuple[Part, ...]] = {}
    for part in _parts(model):
        device = _device_of(part.name, device_map)
        parts[device] = (*parts.get(device, ()), part)
    return parts


def _parts(model: Any) -> Iterator[Part]:
    """Each layer as one part, and each other module that has tensors of its own. Tied tensors count once."""
    classes = set(layer_classes(model))
    layers = [name for name, module in model.named_modules() if type(module).__name__ in classes]
    sizes: dict[str, int] = {}
    for tensors in (model.named_parameters(), model.named_buffers()):
        for name, tensor in tensors:
            owner = next((layer for layer in layers if name.startswith(layer + ".")), name.rpartition(".")[0])
            sizes[owner] = sizes.get(owner, 0) + tensor.numel() * tensor.element_size()
    number = {layer: index for index, layer in enumerate(layers)}
    for name, size in sizes.items():
        yield Part(name, size, number.get(name))


def _device_of(module: str, device_map: DeviceMap) -> int | str:
    """The device of the longest name in `device_map` that `module` is or lies in."""
    while module and module not in device_map:
        module = module.rpartition(".")[0]
    return device_map[module]


def _share(device: int | str, parts: tuple[Part, ...], usable: int, kv_bytes: int) -> DeviceShare:
    if not isinstance(device, int):
        return DeviceShare(device, parts)
    bare = DeviceShare(device, parts, usable)
    room = bare.room_bytes or 0
    tokens = max(0, room) // (kv_bytes * len(bare.layers)) if bare.layers and kv_bytes else None
    return DeviceShare(device, parts, usable, tokens)


def kv_bytes_per_token(config: Any, value_bytes: int) -> int:
    """Bytes of K and V for one token in one layer, as transformers' cache holds them.

    For latent attention (DeepSeek) the most that any version keeps: all heads, where newer ones keep the latent only.
    """
    heads = int(getattr(config, "num_attention_heads", 0) or 0)
    if getattr(config, "kv_lora_rank", None):
        return heads * int(config.qk_nope_head_dim + config.qk_rope_head_dim + config.v_head_dim) * value_bytes
    size = getattr(config, "head_dim", None) or int(getattr(config, "hidden_size", 0) or 0) // max(1, heads)
    kept = getattr(config, "num_key_value_heads", None) or heads
    return 2 * int(kept) * int(size) * value_bytes
