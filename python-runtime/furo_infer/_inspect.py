"""The verb `inspect`: shows how accelerate would lay a model on GPUs, as a table, JSON and a picture.

Reads the configuration only, never weights. Knows arguments and words; the placing itself is in `_placement`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import EXIT_OK, ModelError, OutputError, UsageError
from ._job import POLICIES
from ._plan import GIB

if TYPE_CHECKING:
    from ._placement import DeviceShare, Placement

__all__ = ["add_arguments", "as_json", "as_text", "gib", "inspect_model", "layer_range", "run", "warnings_of"]

VERSION = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Shows on which GPU each part of a model would lie, without loading its weights, "
        "and how much memory stays for the KV cache."
    )
    parser.add_argument("model", metavar="MODEL", help="a folder with config.json, or a hub name such as owner/model")
    parser.add_argument("--policy", choices=POLICIES, default="auto", help="how to share the layers (default: auto)")
    parser.add_argument("--gpus", type=int, default=4, metavar="N", help="GPUs of the node (default: 4)")
    parser.add_argument(
        "--memory", default="32GiB", metavar="SIZE", help="nominal memory of each GPU (default: 32GiB, a V100 of Furo)"
    )
    parser.add_argument(
        "--dtype", choices=("float16", "bfloat16", "float32"), default="float16", help="type of the weights"
    )
    parser.add_argument(
        "--rules",
        choices=("accelerate", "transformers"),
        default="accelerate",
        help="whose placement: accelerate's functions, which the back end transformers of this program follows, or "
        'what device_map="auto" gives in the installed transformers (default: accelerate)',
    )
    parser.add_argument("--revision", help="version of the model on the hub")
    parser.add_argument("--trust-remote-code", action="store_true", help="run Python code that the model brings along")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also write a picture of the layers on the GPUs")


def run(chosen: argparse.Namespace) -> int:
    """Prints the placement. Raises UsageError, ModelError or OutputError."""
    if chosen.gpus < 1:
        raise UsageError("argumentInvalid", f"--gpus must be at least 1, not {chosen.gpus}.")
    placement = inspect_model(chosen)
    if chosen.svg is not None:
        from ._placement_picture import placement_svg

        try:
            chosen.svg.write_text(placement_svg(placement, chosen.model), encoding="utf-8")
        except OSError as error:
            raise OutputError(
                "outputUnwritable", f"The picture {chosen.svg} cannot be written: {error.strerror}."
            ) from error
    if chosen.json:
        print(json.dumps(as_json(placement, chosen.model), ensure_ascii=False, indent=2))
    else:
        print(as_text(placement, chosen.model))
    return EXIT_OK


def inspect_model(chosen: argparse.Namespace) -> Placement:
    """The placement that the arguments ask for; torch is imported here."""
    from accelerate.utils import convert_file_size_to_int

    from ._placement import place

    try:
        memory_bytes = int(convert_file_size_to_int(chosen.memory))
    except ValueError:
        memory_bytes = 0
    if memory_bytes <= 0:
        raise UsageError("argumentInvalid", f"--memory must be a size such as 32GiB or 16GB, not {chosen.memory}.")
    config = _read_config(chosen.model, chosen.revision, trust_remote_code=chosen.trust_remote_code)
    try:
        return place(
            config,
            chosen.policy,
            gpus=chosen.gpus,
            memory_bytes=memory_bytes,
            dtype=chosen.dtype,
            rules=chosen.rules,
            trust_remote_code=chosen.trust_remote_code,
        )
    except (ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError) as error:
        raise ModelError(
            "modelUnreadable", f"The model {chosen.model} cannot be built from its config.json: {_one_line(error)}"
        ) from error


def _read_config(name: str, revision: str | None, *, trust_remote_code: bool) -> Any:
    """The configuration alone: of a hub model nothing else is downloaded."""
    import transformers

    from ._models import find_model, may_be_hub_name, refuse_borrowed_code, refuse_unpinned_code

    if trust_remote_code:
        refuse_unpinned_code(name, revision)
    transformers.logging.set_verbosity_error()
    folder = Path(name).expanduser()
    where = str(find_model(name, revision)) if folder.is_dir() or not may_be_hub_name(name) else name
    try:
        if trust_remote_code:
            refuse_borrowed_code(name, transformers.PretrainedConfig.get_config_dict(where, revision=revision)[:1])
        return transformers.AutoConfig.from_pretrained(where, revision=revision, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            "modelNotFound",
            f"The model {name} has no configuration that can be read: {_one_line(error)} "
            "Give the path of its folder, or download it on the login node first.",
        ) from error


def warnings_of(placement: Placement) -> tuple[str, ...]:
    """What would go wrong or be wasted when the model were loaded like this; sentences."""
    return tuple(_warnings(placement))


def _warnings(placement: Placement) -> Iterator[str]:
    from ._placement import USEFUL_TOKENS

    for share in placement.shares:
        room = share.room_bytes
        if room is None:
            yield (
                f"{gib(share.bytes)} of {gib(placement.total_bytes)} do not fit on the GPUs and would lie on the "
                "disk, to be read again for every token. Use more GPUs, or a narrower dtype."
            )
        elif room <= 0:
            yield (
                f"{share.name} is full: its weights take {gib(share.bytes)} of {gib(share.usable_bytes or 0)} usable "
                "memory, and nothing is left for the KV cache. Use another policy, or more GPUs."
            )
        elif share.kv_tokens is not None and share.kv_tokens < USEFUL_TOKENS:
            yield (
                f"{share.name} has room for the KV cache of only {share.kv_tokens:,} tokens (rows x context), so "
                "batches will be small. Use another policy, or more GPUs."
            )
    empty = [share.name for share in placement.shares if not share.parts]
    if empty:
        hold = "hold" if len(empty) > 1 else "holds"
        yield f"{_joined(empty)} {hold} nothing: the model is not spread over all GPUs."


def as_text(placement: Placement, model: str) -> str:
    """A table for people."""
    head = (
        f"{model}: {gib(placement.total_bytes)} as {placement.dtype}, policy {placement.policy} by "
        f"{placement.rules}, {placement.gpus} x {gib(placement.memory_bytes)}"
    )
    rows = [("device", "layers", "other parts", "weights", "left for KV cache"), *map(_row, placement.shares)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"warning: {warning}" for warning in warnings_of(placement)]
    fullest = [share.kv_tokens for share in placement.shares if share.kv_tokens is not None]
    explained = [
        "Left for the KV cache: the memory without 1 GiB for the CUDA context, 8 % for fragmentation, and the weights.",
        f"A token takes {placement.kv_bytes_per_token_and_layer / 1024:g} KiB in each layer.",
    ]
    if fullest:
        explained[-1] += f" The fullest GPU decides: {min(fullest):,} tokens (rows x context) at once."
    explained.append("The GPUs compute one after another, never at once.")
    return "\n".join([head, "", *lines, "", *explained, *notes])


def _row(share: DeviceShare) -> tuple[str, str, str, str, str]:
    others = ", ".join(part.name.rpartition(".")[2] for part in share.parts if part.layer is None) or "-"
    room = share.room_bytes
    left = "-" if room is None else "none" if room <= 0 else gib(room)
    if share.kv_tokens:
        left += f" = {share.kv_tokens:,} tokens"
    return share.name, layer_range(share.layers), others, gib(share.bytes) if share.parts else "-", left


def as_json(placement: Placement, model: str) -> dict[str, Any]:
    """For programs: bytes are whole numbers, `device_map` is what from_pretrained() takes."""
    from importlib.metadata import version

    return {
        "version": VERSION,
        "model": model,
        "policy": placement.policy,
        "rules": {"name": placement.rules, "version": version(placement.rules)},
        "dtype": placement.dtype,
        "gpus": placement.gpus,
        "memory_bytes": placement.memory_bytes,
        "weight_bytes": placement.total_bytes,
        "kv_bytes_per_token_and_layer": placement.kv_bytes_per_token_and_layer,
        "device_map": placement.device_map,
        "devices": [
            {
                "device": share.device,
                "weight_bytes": share.bytes,
                "layers": list(share.layers),
                "parts": [{"name": part.name, "bytes": part.bytes} for part in share.parts],
                "usable_bytes": share.usable_bytes,
                "left_bytes": share.room_bytes,
                "kv_tokens": share.kv_tokens,
            }
            for share in placement.shares
        ],
        "warnings": list(warnings_of(placement)),
    }


def layer_range(layers: Sequence[int]) -> str:
    """(0, 1, 2) -> "0-2 (3)"; layers of one device are always neighbours."""
    if not layers:
        return "-"
    return f"{layers[0]}-{layers[-1]} ({len(layers)})" if len(layers) > 1 else f"{layers[0]} (1)"


def gib(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.1f} MiB"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 400 else text[:397] + "..."
