"""The safetensors files of a model: one tensor, or one part of it, at a time.

Knows names as they stand in checkpoints of transformers 4.x and 5.x; does not know modules or devices.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from .._errors import ModelError

__all__ = ["Checkpoint", "Cut"]

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
# transformers 5.x fuses the experts of Mixtral; checkpoints hold each of them: w1 is the gate, w3 up, w2 down.
FUSED_EXPERTS = {"gate_up_proj": ("w1", "w3"), "down_proj": ("w2",)}


@dataclass(frozen=True)
class Cut:
    """Part `part` of `parts` along `dimension`. `fused` are the sizes of the matrices that lie behind one another
    there, each divided by itself; empty for one matrix."""

    dimension: int
    part: int
    parts: int
    fused: tuple[int, ...] = ()


class Checkpoint:
    """Reads by the names inside the base model; `embedding` is the one by which its prefix is found."""

    def __init__(self, folder: Path, embedding: str) -> None:
        self._folder = folder
        self._files = _weight_files(folder)
        anchors = [name for name in self._files if name.endswith(f"{embedding}.weight")]
        if not anchors:
            raise self._lacks(f"{embedding}.weight")
        self._prefix = min(anchors, key=len).removesuffix(f"{embedding}.weight")
        self._head = next((name for name in self._files if name.endswith("lm_head.weight")), None)

    def read_rows(self, name: str, share: slice, shape: tuple[int, int]) -> torch.Tensor:
        """The rows `share` of the embedding or the last matrix, whose whole shape is (vocabulary, hidden size)."""
        key = self._head if name == "lm_head.weight" else self._prefix + name
        if key is None:
            raise self._lacks(name)
        with self._opened(key) as file:
            whole = file.get_slice(key)
            self._compare(name, tuple(whole.get_shape()), shape)
            rows: torch.Tensor = whole[share].clone()
            return rows

    def read(self, name: str, cut: Cut | None, shape: Sequence[int] | None) -> torch.Tensor:
        """The tensor, or its part, in the dtype of the file. A `shape` that differs is an error."""
        if self._prefix + name in self._files:
            tensor = self._tensor(self._prefix + name, cut)
        else:
            tensor = self._under_another_name(name, cut)
        if shape is not None:
            self._compare(name, tuple(tensor.shape), tuple(shape))
        return tensor

    def _compare(self, name: str, found: tuple[int, ...], asked: tuple[int, ...]) -> None:
        if found != asked:
            raise ModelError(
                "modelUnreadable",
                f"The weight {name} has the shape {found}, but config.json asks for {asked}. "
                "The files of the model do not belong together; download it again.",
            )

    def _under_another_name(self, name: str, cut: Cut | None) -> torch.Tensor:
        layer, _, leaf = name.rpartition(".mlp.experts.")
        if leaf in FUSED_EXPERTS:
            block = f"{self._prefix}{layer}.block_sparse_moe.experts."
            count = len({key[len(block) :].split(".")[0] for key in self._files if key.startswith(block)})
            if count:
                return torch.stack([self._expert(f"{block}{index}.", leaf, cut) for index in range(count)])
        older = self._prefix + name.replace(".mlp.", ".block_sparse_moe.")
        if older in self._files:
            return self._tensor(older, cut)
        raise self._lacks(self._prefix + name)

    def _expert(self, block: str, leaf: str, cut: Cut | None) -> torch.Tensor:
        own = None if cut is None else Cut(cut.dimension - 1, cut.part, cut.parts)
        return torch.cat([self._tensor(f"{block}{name}.weight", own) for name in FUSED_EXPERTS[leaf]])

    def _tensor(self, key: str, cut: Cut | None) -> torch.Tensor:
        with self._opened(key) as file:
            if cut is None:
                whole: torch.Tensor = file.get_tensor(key).clone()
                return whole
            return _part(file.get_slice(key), cut)

    @contextmanager
    def _opened(self, key: str) -> Iterator[Any]:
        """The file with this tensor. Opened for each: what is mapped counts as memory of this process until it is
        closed."""
        path = self._files.get(key)
        if path is None:
            raise self._lacks(key)
        try:
            with safe_open(path, framework="pt") as file:
                yield file
        except (OSError, SafetensorError) as error:
            raise ModelError(
                "modelUnreadable",
                f"The weight file {path} cannot be read ({error}). The download may be incomplete; repeat it.",
            ) from error

    def _lacks(self, key: str) -> ModelError:
        return ModelError(
            "modelUnreadable", f"The files in {self._folder} lack the weight {key}; is the download complete?"
        )


def _part(whole: Any, cut: Cut) -> torch.Tensor:
    """A copy of the own part of a safetensors slice."""
    size = whole.get_shape()[cut.dimension]
    pieces = []
    start = 0
    for length in cut.fused or (size,):
        step = length // cut.parts
        begin = start + cut.part * step
        index = [slice(None)] * cut.dimension + [slice(begin, begin + step)]
        pieces.append(whole[tuple(index)])
        start += length
    return pieces[0].clone() if len(pieces) == 1 else torch.cat(pieces, dim=cut.dimension)


def _weight_files(folder: Path) -> dict[str, Path]:
    """Tensor name -> file. Raises ModelError that names what is missing."""
    index = folder / INDEX
    if index.is_file():
        try:
            names: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        except (OSError, ValueError, KeyError) as error:
            raise ModelError("modelUnreadable", f"The index {index} cannot be read: {error}.") from error
        absent = sorted({name for name in names.values() if not (folder / name).is_file()})
        if absent:
            raise ModelError(
                "modelUnreadable",
                f"The model in {folder} lacks {len(absent)} of its weight files, such as {absent[0]}. "
                "The download is incomplete; repeat it.",
            )
        return {key: folder / name for key, name in names.items()}
    single = folder / SINGLE
    if not single.is_file():
        raise ModelError(
            "modelUnreadable",
            f"The folder {folder} has no safetensors weights ({SINGLE} or {INDEX}). Convert the model to safetensors "
            'or set "backend" to "transformers".',
        )
    try:
        with safe_open(single, framework="pt") as file:
            return dict.fromkeys(file.keys(), single)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            "modelUnreadable", f"The weight file {single} cannot be read ({error}). The download may be incomplete."
        ) from error
