"""The device and number format that a process computes with.

A V100 (compute capability 7.0) has no bfloat16 arithmetic: torch says it has, and emulates it slowly.
"""

from __future__ import annotations

import os
import resource
from typing import Any

import torch

from .._allocation import Allocation
from .._errors import DeviceError
from ._tokens import short

__all__ = [
    "BFLOAT16_CAPABILITY",
    "DTYPES",
    "choose_device",
    "choose_dtype",
    "device_name",
    "device_notes",
    "gpu_identity",
    "peak_bytes",
]

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
BFLOAT16_CAPABILITY = (8, 0)


def choose_device(asked: str, allocation: Allocation | None = None) -> torch.device:
    """The GPU with the number of this process on its node, or the CPU.

    Raises DeviceError when there is no GPU though one is asked for, one that this torch cannot use, or fewer GPUs
    than processes on this node.
    """
    place = allocation or Allocation()
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        why = "no CUDA device is visible" if torch.version.cuda else "this torch is built without CUDA"
        raise DeviceError(
            "cudaAbsent",
            f'The job asks for a GPU ("device": "cuda"), but {why} (torch {torch.__version__}). '
            "Check the resource group, the modules and the environment of the job.",
        )
    visible = torch.cuda.device_count()
    # Where each process sees its own GPU only, that one is number 0 for all of them.
    if place.local_processes > visible > 1:
        raise DeviceError(
            "gpusTooFew",
            f"{place.local_processes} processes were started on this node, which has {visible} GPUs. Start one process "
            f"for each GPU (mpirun --map-by ppr:{visible}:node).",
        )
    device = torch.device("cuda", place.local_rank if place.local_rank < visible else 0)
    torch.cuda.set_device(device)
    try:
        (torch.ones(2, device=device) + 1).sum().item()
    except RuntimeError as error:
        raise DeviceError(
            "deviceUnusable",
            f"torch {torch.__version__} cannot compute on {torch.cuda.get_device_name(device)}: {short(error)} "
            "Install a torch that has kernels for this GPU.",
        ) from error
    return device


def choose_dtype(asked: str, device: torch.device, config: Any) -> torch.dtype:
    """What was asked; else float32 on the CPU, bfloat16 only where the model is and the GPU can, float16 elsewhere."""
    if asked != "auto":
        return DTYPES[asked]
    if device.type == "cpu":
        return torch.float32
    wide = torch.cuda.get_device_capability(device) >= BFLOAT16_CAPABILITY
    saved = str(getattr(config, "dtype", None) or getattr(config, "torch_dtype", None))
    return torch.bfloat16 if wide and saved.endswith("bfloat16") else torch.float16


def device_name(device: torch.device) -> str:
    return "cpu" if device.type == "cpu" else f"cuda ({torch.cuda.get_device_name(device)})"


def device_notes(device: torch.device, dtype: torch.dtype) -> list[str]:
    if device.type == "cpu":
        return ["No GPU is used: this runs on the CPU."]
    if dtype == torch.bfloat16 and torch.cuda.get_device_capability(device) < BFLOAT16_CAPABILITY:
        return ["This GPU only emulates bfloat16; float16 would be much faster."]
    return []


def gpu_identity(index: int) -> str:
    """The same for two processes of a node when they see the same GPU: its UUID, where this torch tells it."""
    found = torch.cuda.get_device_properties(index)
    return str(getattr(found, "uuid", "") or f"{os.environ.get('CUDA_VISIBLE_DEVICES', '')}/{index}")


def peak_bytes(device: torch.device) -> int:
    """The most memory in use so far: by torch on the GPU, or by this whole process (ru_maxrss counts KiB on Linux)."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
