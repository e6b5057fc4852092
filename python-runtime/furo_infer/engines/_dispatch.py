"""Loads a whole model for one process: on one device, or in parts on all its GPUs as accelerate places them.

Knows transformers' loading and accelerate's `device_map`; does not know records or how tokens are made.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any

import psutil
import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from .._allocation import Allocation
from .._errors import ModelError
from .._job import Job
from .._placement import (
    DeviceMap,
    device_map_of,
    empty_model,
    kv_bytes_per_token,
    parts_by_device,
)
from .._plan import FRAGMENTED_SHARE, GIB
from ._devices import choose_device, choose_dtype, device_name, device_notes
from ._tokens import Tokens, short

__all__ = ["Dispatched", "load_dispatched", "memory_of", "own_gpus"]

# Of the main memory that is free, what may hold layers that fit on no GPU.
HOST_SHARE = 0.9
# Of the GPU memory left beside the weights, what the KV cache may take; the rest is for scores, activations and the
# copies that transformers' cache makes of a layer while it grows.
CACHE_SHARE = 0.5

Memory = dict[int | str, int]


@dataclass(frozen=True)
class Dispatched:
    """`input_device` takes the prompts; `room_tokens` (rows x context) fit into the KV cache, None where that is not
    known. `offload` is a folder of weights on the disk that lives as long as this."""

    model: Any
    dtype: torch.dtype
    device_words: str
    input_device: torch.device
    room_tokens: int | None
    notes: tuple[str, ...]
    offload: tempfile.TemporaryDirectory[str] | None


def load_dispatched(job: Job, allocation: Allocation, tokens: Tokens) -> Dispatched:
    """Raises DeviceError or ModelError."""
    first = choose_device(job.device, allocation)
    dtype = choose_dtype(job.dtype, first, tokens.config.get_text_config())
    memory = memory_of(first, allocation)
    try:
        device_map = _place(job, tokens, memory, first, dtype)
        offload = tempfile.TemporaryDirectory(prefix="furo-offload-") if "disk" in device_map.values() else None
        model = _read_weights(job, tokens, device_map, dtype, offload)
    except torch.cuda.OutOfMemoryError as error:
        raise ModelError(
            "modelTooLarge",
            f"The model {job.model} does not fit into the memory of {max(1, len(memory) - 1)} GPUs ({error}). "
            "Choose a smaller model or more GPUs (furo_infer inspect shows where its parts would lie).",
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, SafetensorError) as error:
        raise ModelError(
            "modelUnreadable", f"The model {job.model} in {tokens.folder} cannot be loaded: {short(error)}"
        ) from error
    main = next(iter(device_map.values()))
    return Dispatched(
        model,
        dtype,
        _words(device_map, first),
        torch.device("cuda", main) if isinstance(main, int) else torch.device("cpu"),
        _room_tokens(model, tokens, device_map, dtype),
        (*device_notes(first, dtype), *_notes(job, model, device_map)),
        offload,
    )


def own_gpus(allocation: Allocation, visible: int) -> tuple[int, ...]:
    """The GPUs of this process: the `visible` ones of its node shared out evenly among the processes there."""
    each = max(1, visible // allocation.local_processes)
    first = allocation.local_rank * each
    # Where each process sees its own GPU only, that one is number 0 for all of them.
    return tuple(range(first, first + each)) if first < visible else (0,)


def memory_of(first: torch.device, allocation: Allocation) -> Memory:
    """Bytes of each device of this process that weights may take; nothing when there is only `first` for them."""
    gpus = own_gpus(allocation, torch.cuda.device_count()) if first.type == "cuda" else ()
    if len(gpus) < 2:
        return {}
    free: Memory = {gpu: int(torch.cuda.mem_get_info(gpu)[0] * (1 - FRAGMENTED_SHARE)) for gpu in gpus}
    host = int(psutil.virtual_memory().available * HOST_SHARE) // allocation.local_processes
    return {**free, "cpu": host}


def _place(job: Job, tokens: Tokens, memory: Memory, first: torch.device, dtype: torch.dtype) -> DeviceMap:
    if not memory:
        return {"": "cpu" if first.type == "cpu" else first.index}
    model = empty_model(tokens.config, dtype, trust_remote_code=job.trust_remote_code)
    return device_map_of(model, job.policy, memory)


def _read_weights(
    job: Job,
    tokens: Tokens,
    device_map: DeviceMap,
    dtype: torch.dtype,
    offload: tempfile.TemporaryDirectory[str] | None,
) -> Any:
    """The model with its weights in place. Raises ValueError when its files lack some."""
    keyword = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
    model, info = AutoModelForCausalLM.from_pretrained(
        tokens.folder,
        trust_remote_code=job.trust_remote_code,
        output_loading_info=True,
        device_map=None if device_map == {"": "cpu"} else device_map,
        offload_folder=offload and offload.name,
        **{keyword: dtype},
    )
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(f"its files lack {len(missing)} weights, such as {missing[0]}; is the download complete?")
    return model.eval()


def _room_tokens(model: Any, tokens: Tokens, device_map: DeviceMap, dtype: torch.dtype) -> int | None:
    """How many tokens of KV cache fit on the GPU that has the least room for its layers."""
    kv_bytes = kv_bytes_per_token(tokens.config.get_text_config(), dtype.itemsize)
    rooms = []
    for device, parts in parts_by_device(model, device_map).items():
        layers = sum(part.layer is not None for part in parts)
        if isinstance(device, int) and layers * kv_bytes > 0:
            rooms.append(int(torch.cuda.mem_get_info(device)[0] * CACHE_SHARE) // (layers * kv_bytes))
    return min(rooms, default=None)


def _notes(job: Job, model: Any, device_map: DeviceMap) -> list[str]:
    parts = parts_by_device(model, device_map)
    if len(parts) < 2:
        return []
    counts = ", ".join(
        f"{sum(part.layer is not None for part in held)} on {_device_words(device)}" for device, held in parts.items()
    )
    notes = [f"The layers lie {counts} (policy {job.policy}). The devices compute one after another."]
    slow = sum(part.bytes for device, held in parts.items() if not isinstance(device, int) for part in held)
    if slow:
        notes.append(
            f"{slow / GIB:.2g} GiB of the model fit on no GPU and are moved there again for every token, which is very "
            "slow. Use more GPUs."
        )
    return notes


def _words(device_map: DeviceMap, first: torch.device) -> str:
    gpus = {device for device in device_map.values() if isinstance(device, int)}
    return f"{len(gpus)} x {device_name(first)}" if len(gpus) > 1 else device_name(first)


def _device_words(device: int | str) -> str:
    return (
        f"GPU {device}" if isinstance(device, int) else {"cpu": "main memory", "disk": "the disk"}.get(device, device)
    )
