"""What one process sees by itself, as plain values: host, GPU, a kernel that really runs, files, variables.

Talks to no other process and judges nothing. Imports torch only inside functions, so that its absence can be told.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ._allocation import Allocation
from ._errors import FuroInferError
from ._job import Job

__all__ = ["RankReport", "driver_of", "probe", "seen_environment"]

# What a job script passes on with `mpirun -x`; Open MPI itself passes only OMPI_* to other nodes.
ENVIRONMENT = re.compile(r"^(PATH|LD_LIBRARY_PATH|PYTHONPATH|OMP_NUM_THREADS|MASTER_ADDR|(NCCL|GLOO|HF|FURO)_\w+)$")
SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|KEY")
TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
BFLOAT16_CAPABILITY = (8, 0)
KERNEL_SIZE = 512  # Rows and columns of the matrices that are multiplied.
SIOCGIFADDR = 0x8915  # Linux, netdevice(7): the IPv4 address of an interface.


@dataclass
class RankReport:
    """All that one rank tells. Sizes are in bytes; an empty text or None is what could not be found."""

    rank: int = 0
    local_rank: int = 0
    local_processes: int = 1
    host: str = ""
    address: str = ""
    executable: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    gpus: int = 0
    gpu: str | None = None
    gpu_id: str | None = None
    gpu_bytes: int = 0
    capability: list[int] | None = None
    kernels: list[str] = field(default_factory=list)
    dtype: str = ""
    kernel: str = ""  # "ok", or why it did not run.
    kernel_seconds: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)
    interfaces: dict[str, str] = field(default_factory=dict)
    nccl_in_path: list[str] = field(default_factory=list)
    host_bytes: int = 0
    token: bool = False
    model: str | None = None
    model_bytes: int = 0
    output: str | None = None
    free_bytes: int | None = None
    failures: list[list[Any]] = field(default_factory=list)  # [exit code, reason, sentence] each.
    exchange: str = ""  # "ok", or why the first exchange between the ranks failed; empty when there was none.
    transport: list[str] = field(default_factory=list)  # What NCCL said it uses, such as NET/IB.

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RankReport:
        return cls(**json.loads(text))


def seen_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that all ranks should share. Of a secret only that it is set."""
    return {
        name: "(set)" if SECRET.search(name) else environment[name]
        for name in sorted(environment)
        if ENVIRONMENT.match(name)
    }


def probe(given: Allocation, job: Job | None, environment: Mapping[str, str], device: str) -> RankReport:
    """`environment` is as it was when the process started. Raises nothing: what fails is in the report."""
    seen = RankReport(
        rank=given.rank,
        local_rank=given.local_rank,
        local_processes=given.local_processes,
        host=socket.gethostname(),
        address=_own_address(given.master_address),
        executable=sys.executable,
        environment=seen_environment(environment),
        interfaces=_interfaces(),
        nccl_in_path=_nccl_libraries(environment.get("LD_LIBRARY_PATH", "")),
        host_bytes=_host_memory(),
        token=_has_token(environment),
    )
    if job is not None and job.backend != "echo":
        _attempt(seen, lambda: _look_at_model(seen, job))
    _look_at_output(seen, Path.cwd() if job is None else job.output)
    if job is None or job.backend != "echo":
        _attempt(seen, lambda: _look_at_device(seen, device, "auto" if job is None else job.dtype))
    return seen


def _attempt(seen: RankReport, look: Callable[[], None]) -> None:
    try:
        look()
    except FuroInferError as error:
        seen.failures.append([error.exit_code, error.reason, error.message])
    except ImportError as error:
        packages = f"{error.name or error} cannot be imported by {sys.executable}: {error}"
        seen.failures.append([6, "packageMissing", packages])


def _look_at_device(seen: RankReport, device: str, dtype: str) -> None:
    import torch

    from .engines._devices import gpu_identity

    seen.versions["torch"] = str(torch.__version__)
    for package in ("transformers", "safetensors"):
        with contextlib.suppress(ImportError):
            seen.versions[package] = str(__import__(package).__version__)
    seen.versions["driver"] = _driver_version()
    seen.versions["cuda"] = str(torch.version.cuda or "")
    seen.gpus = torch.cuda.device_count() if device != "cpu" and torch.cuda.is_available() else 0
    index = min(seen.local_rank, seen.gpus - 1)
    if seen.gpus:
        nccl: Any = torch.cuda.nccl
        seen.versions["nccl"] = ".".join(str(part) for part in nccl.version())
        found = torch.cuda.get_device_properties(index)
        seen.gpu, seen.gpu_bytes = str(found.name), int(found.total_memory)
        seen.gpu_id = gpu_identity(index)
        seen.capability = [int(found.major), int(found.minor)]
        seen.kernels = [str(name) for name in torch.cuda.get_arch_list()]
    seen.dtype = _choose_dtype(dtype, seen)
    started = time.monotonic()
    seen.kernel = _run_kernel(f"cuda:{index}" if seen.gpus else "cpu", seen.dtype)
    seen.kernel_seconds = round(time.monotonic() - started, 3)


def _choose_dtype(asked: str, seen: RankReport) -> str:
    """float32 on a CPU; on a GPU bfloat16 if it has it and the model is not saved in another, else float16."""
    if asked != "auto":
        return asked
    if seen.capability is None:
        return "float32"
    saved = ""
    if seen.model is not None:
        with contextlib.suppress(OSError, ValueError):
            config = json.loads((Path(seen.model) / "config.json").read_text(encoding="utf-8"))
            saved = str(config.get("torch_dtype") or config.get("dtype") or "")
    if tuple(seen.capability) >= BFLOAT16_CAPABILITY and saved in ("", "bfloat16"):
        return "bfloat16"
    return "float16"


def _run_kernel(device: str, dtype: str) -> str:
    """Multiplies two matrices of ones, whose product is known. A build without code for this GPU fails here."""
    import torch

    try:
        ones = torch.ones(KERNEL_SIZE, KERNEL_SIZE, device=device, dtype=getattr(torch, dtype))
        wrong = int((ones @ ones != KERNEL_SIZE).sum().item())
    except Exception as error:  # noqa: BLE001 - whatever a driver says belongs on the page
        return str(error).strip().split("\n")[0] or type(error).__name__
    return "ok" if wrong == 0 else f"{wrong} of {KERNEL_SIZE**2} numbers of a product were wrong"


def _look_at_model(seen: RankReport, job: Job) -> None:
    from ._models import find_model

    folder = find_model(job.model, job.revision)
    seen.model = str(folder)
    files = sorted({*folder.glob("*.safetensors"), *folder.glob("*.bin")})
    for index in folder.glob("*.index.json"):
        with contextlib.suppress(ValueError, AttributeError):
            named = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
            absent = sorted(name for name in named if not (folder / str(name)).is_file())
            if absent:
                what = f"The model {folder} is not whole: {len(absent)} of {len(named)} weight files are absent, "
                seen.failures.append([3, "modelIncomplete", f"{what}the first is {absent[0]}."])
    if not files:
        seen.failures.append([3, "modelIncomplete", f"The model {folder} has no weights (*.safetensors or *.bin)."])
    seen.model_bytes = sum(file.stat().st_size for file in files)


def _look_at_output(seen: RankReport, folder: Path) -> None:
    """The free space where the results will lie. Makes no folder."""
    place = folder.absolute()
    seen.output = str(place)
    place = next(parent for parent in (place, *place.parents) if parent.exists())
    seen.free_bytes = shutil.disk_usage(place).free
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        seen.failures.append([5, "outputRefused", f"Results cannot be written: {place} is no folder one may write to."])


def _has_token(environment: Mapping[str, str]) -> bool:
    if any(environment.get(name) for name in TOKEN_VARIABLES):
        return True
    home = environment.get("HF_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".cache/huggingface")
    return Path(environment.get("HF_TOKEN_PATH") or f"{home}/token").is_file()


def _nccl_libraries(path: str) -> list[str]:
    """Libraries of NCCL that LD_LIBRARY_PATH puts before the one that torch brings."""
    found: list[str] = []
    for folder in filter(None, path.split(":")):
        with contextlib.suppress(OSError):
            found += [str(file) for file in sorted(Path(folder).glob("libnccl.so*"))][:1]
    return found


def driver_of(text: str) -> str:
    """The version in what the module of NVIDIA says of itself, in its closed form ("NVIDIA UNIX x86_64 Kernel Module
    550.144.03") or its open one ("... Open Kernel Module for x86_64  580.159.04"); "" where it says none."""
    found = re.search(r"Kernel Module(?:\s+for\s+\S+)?\s+(\d[\d.]*)", text)
    return found[1] if found else ""


def _driver_version() -> str:
    with contextlib.suppress(OSError):
        found = driver_of(Path("/proc/driver/nvidia/version").read_text(encoding="utf-8"))
        if found:
            return found
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split()
        return told[0] if told else ""
    return ""


def _host_memory() -> int:
    """Memory of the node that is free for programs; 0 where Linux does not tell it."""
    with contextlib.suppress(OSError):
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="utf-8"))
        return int(found[1]) * 1024 if found else 0
    return 0


def _interfaces() -> dict[str, str]:
    """Names of the network interfaces with their IPv4 address; those without one are left out."""
    found: dict[str, str] = {}
    if sys.platform != "linux":
        return found
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(asker.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found[name] = socket.inet_ntoa(answer[20:24])
    return found


def _own_address(master: str) -> str:
    """The address by which this node reaches `master`; nothing is sent."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.connect((master, 9))
        return str(asker.getsockname()[0])
    return ""
