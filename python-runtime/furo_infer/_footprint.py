"""The bytes of a model, from its configuration and the headers of its weight files. Never imports torch.

A safetensors file begins with eight bytes of length and a JSON header that gives the shape of every tensor, so that
a model of hundreds of GB is measured by reading a few hundred KB.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import ModelError
from ._own_families import DEFAULTS, is_of_images, own_family

__all__ = ["Footprint", "cut_by_bytes", "read_footprint"]

INDEX = "model.safetensors.index.json"
# A header of this size would describe a million tensors; more is a damaged file.
MOST_HEADER_BYTES = 100_000_000
LAYER = re.compile(r"(?:^|\.)(?:layers|h)\.(\d+)\.")
EMBEDDING = re.compile(r"(?:^|\.)(?:embed_tokens|wte)\.weight$")
POSITIONS = re.compile(r"(?:^|\.)wpe\.weight$")
HEAD = re.compile(r"(?:^|\.)lm_head\.weight$")
DTYPE_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}


@dataclass(frozen=True)
class Footprint:
    """Sizes of one model, weights in the number format it will run in (`dtype_bytes` each). `layer_bytes` has one
    entry a layer; `windows` the sliding window of each layer in tokens, None for full attention. `from_files` is
    False where the configuration alone was counted; `is_own` says that the own engine runs it, of a model that also
    knows images the text part alone. `position_bytes` are GPT-2's, whole in every stage and part."""

    family: str
    dtype_bytes: int
    layer_bytes: tuple[int, ...]
    embedding_bytes: int
    head_bytes: int
    norm_bytes: int
    position_bytes: int
    tied: bool
    hidden_size: int
    intermediate_size: int
    vocabulary: int
    attention_heads: int
    kv_heads: int
    head_dim: int
    windows: tuple[int | None, ...]
    context_tokens: int | None
    from_files: bool
    is_own: bool

    @property
    def layers(self) -> int:
        return len(self.layer_bytes)

    @property
    def weight_bytes(self) -> int:
        """Of the whole model, a tied last matrix counted once."""
        head = 0 if self.tied else self.head_bytes
        return sum(self.layer_bytes) + self.embedding_bytes + head + self.norm_bytes + self.position_bytes

    def kv_bytes(self, first: int, last: int, tokens: int, parts: int = 1) -> int:
        """Keys and values of one row of `tokens` in layers `first` to `last` (excluded), on one of `parts` GPUs:
        2 x KV heads x head size x bytes a token and layer, no more tokens than a layer's window."""
        each = 2 * max(1, self.kv_heads // parts) * self.head_dim * self.dtype_bytes
        return sum(each * (tokens if window is None else min(tokens, window)) for window in self.windows[first:last])

    def stage_bytes(self, first: int, last: int, parts: int = 1) -> int:
        """Weights of these layers on one of `parts` GPUs, with the embedding on the first stage and the last matrix on
        the last one; a stage that has both holds a tied one once."""
        own = sum(self.layer_bytes[first:last])
        if first == 0:
            own += self.embedding_bytes
        if last == self.layers and not (self.tied and first == 0):
            own += self.head_bytes
        return own // parts + self.position_bytes + (self.norm_bytes if last == self.layers else 0)


def read_footprint(folder: Path, dtype: str = "float16") -> Footprint:
    """Raises ModelError when there is no configuration, or a weight file is missing or damaged."""
    config = _read_config(folder)
    text = {**config, **config["text_config"]} if isinstance(config.get("text_config"), dict) else config
    own = own_family(config)
    family = own or str(config.get("model_type") or "unknown")
    text = {**DEFAULTS.get(family, {}), **text}
    size = DTYPE_BYTES[dtype]
    tensors = _tensors(folder)
    if own is not None:
        tensors = {name: count for name, count in tensors.items() if not is_of_images(name)}
    counts = _from_files(tensors, text) if tensors else _from_config(text)
    layers, embedding, head, norm, positions = counts
    tied = bool(text.get("tie_word_embeddings", family in ("gemma2", "gemma3_text", "gpt2")))
    if head == 0:
        tied, head = True, embedding
    heads = _number(text, "num_attention_heads", "n_head")
    hidden = _number(text, "hidden_size", "n_embd")
    return Footprint(
        family=family,
        dtype_bytes=size,
        layer_bytes=tuple(count * size for count in layers),
        embedding_bytes=embedding * size,
        head_bytes=head * size,
        norm_bytes=norm * size,
        position_bytes=positions * size,
        tied=tied,
        hidden_size=hidden,
        intermediate_size=_intermediate(text, hidden),
        vocabulary=_number(text, "vocab_size"),
        attention_heads=heads,
        kv_heads=int(text.get("num_key_value_heads") or heads),
        head_dim=int(text.get("head_dim") or hidden // heads),
        windows=_windows(text, family, len(layers)),
        context_tokens=text.get("max_position_embeddings") or text.get("n_positions"),
        from_files=bool(tensors),
        is_own=own is not None,
    )


def cut_by_bytes(footprint: Footprint, stages: int) -> tuple[int, ...]:
    """The first layer of each stage, so that the largest stage is as small as can be; every stage has a layer.

    The embedding and the last matrix count where they lie: for Qwen3-32B each weighs as much as one and a half layers.
    """
    if stages == 1:
        return (0,)
    low, high = 0, footprint.stage_bytes(0, footprint.layers)
    while low < high:  # the smallest limit under which `stages` stages suffice
        middle = (low + high) // 2
        if _cuts_within(footprint, stages, middle) is None:
            low = middle + 1
        else:
            high = middle
    cuts = _cuts_within(footprint, stages, low)
    assert cuts is not None
    return cuts


def _cuts_within(footprint: Footprint, stages: int, limit: int) -> tuple[int, ...] | None:
    cuts, first = [0], 0
    for stage in range(stages):
        left = stages - stage - 1
        last = first
        while last < footprint.layers - left and footprint.stage_bytes(first, last + 1) <= limit:
            last += 1
        if last == first:
            return None
        if left == 0:
            return tuple(cuts) if last == footprint.layers else None
        cuts.append(last)
        first = last
    return None


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            "modelNotFound", f"The model's configuration {path} cannot be read: {error.strerror}."
        ) from error
    except ValueError as error:
        raise ModelError("modelUnreadable", f"The model's configuration {path} is not valid JSON: {error}.") from error
    if not isinstance(config, dict):
        raise ModelError("modelUnreadable", f"The model's configuration {path} is not a JSON object.")
    return config


def _tensors(folder: Path) -> dict[str, int]:
    """Tensor name -> numbers in it, over all files; empty when there are none."""
    index = folder / INDEX
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError) as error:
            raise ModelError("modelUnreadable", f"The index {index} cannot be read: {error}.") from error
        absent = [name for name in names if not (folder / name).is_file()]
        if absent:
            raise ModelError(
                "modelUnreadable",
                f"The model in {folder} lacks {len(absent)} of {len(names)} weight files, such as {absent[0]}. "
                "The download is incomplete; repeat it.",
            )
        paths = [folder / name for name in names]
    else:
        paths = sorted(folder.glob("*.safetensors"))
    return {name: count for path in paths for name, count in _header(path)}


def _header(path: Path) -> Iterator[tuple[str, int]]:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > MOST_HEADER_BYTES:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(file.read(length))
            if not isinstance(header, dict):
                raise ValueError("its header is not a JSON object")
            held = os.fstat(file.fileno()).st_size - 8 - length
        header.pop("__metadata__", None)
        needed = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if held < needed:
            raise ValueError(f"it holds {held:,} of {needed:,} bytes of weights")
        for name, entry in header.items():
            yield name, math.prod(entry["shape"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error) as error:
        raise ModelError(
            "modelUnreadable",
            f"The weight file {path} is damaged ({error}). The download may be incomplete; repeat it.",
        ) from error


# Numbers in each layer, the embedding, the last matrix, the norms outside of layers and the learned positions.
Counts = tuple[Sequence[int], int, int, int, int]


def _from_files(tensors: Mapping[str, int], config: Mapping[str, Any]) -> Counts:
    layers = [0] * _number(config, "num_hidden_layers", "n_layer")
    embedding = head = norm = positions = 0
    for name, count in tensors.items():
        layer = LAYER.search(name)
        if layer is not None and int(layer.group(1)) < len(layers):
            layers[int(layer.group(1))] += count
        elif EMBEDDING.search(name):
            embedding += count
        elif HEAD.search(name):
            head += count
        elif POSITIONS.search(name):
            positions += count
        else:
            norm += count
    if 0 in layers:
        raise ModelError(
            "modelUnreadable",
            f"The weight files have nothing for layer {layers.index(0)} of {len(layers)}. "
            "The files of the model do not belong together; download it again.",
        )
    return layers, embedding, head, norm, positions


def _from_config(config: Mapping[str, Any]) -> Counts:
    """The arithmetic of a transformer with gated MLP; experts where the configuration has some."""
    hidden = _number(config, "hidden_size", "n_embd")
    heads = _number(config, "num_attention_heads", "n_head")
    head_dim = int(config.get("head_dim") or hidden // heads)
    kv_heads = int(config.get("num_key_value_heads") or heads)
    attention = 2 * hidden * heads * head_dim + 2 * hidden * kv_heads * head_dim
    experts = int(config.get("num_local_experts") or config.get("num_experts") or 0)
    matrices = 2 if config.get("model_type") == "gpt2" else 3
    mlp = matrices * hidden * _intermediate(config, hidden)
    if experts:
        width = int(config.get("moe_intermediate_size") or config.get("intermediate_size") or 0)
        mlp = experts * 3 * hidden * width + hidden * experts
    count = _number(config, "num_hidden_layers", "n_layer")
    embedding = _number(config, "vocab_size") * hidden
    positions = _number(config, "n_positions", "max_position_embeddings") * hidden if matrices == 2 else 0
    return [attention + mlp + 2 * hidden] * count, embedding, embedding, hidden, positions


def _number(config: Mapping[str, Any], *names: str) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and value > 0:
            return value
    raise ModelError(
        "modelUnreadable",
        f'The model\'s config.json has no "{names[0]}", so its size cannot be known. Is it a language model?',
    )


def _intermediate(config: Mapping[str, Any], hidden: int) -> int:
    return int(config.get("intermediate_size") or config.get("n_inner") or 4 * hidden)


def _windows(config: Mapping[str, Any], family: str, count: int) -> tuple[int | None, ...]:
    window = config.get("sliding_window")
    if not isinstance(window, int) or config.get("use_sliding_window") is False:
        return (None,) * count
    types = config.get("layer_types")
    if isinstance(types, list) and len(types) == count:
        return tuple(window if kind == "sliding_attention" else None for kind in types)
    if family == "gemma2":
        return tuple(None if index % 2 else window for index in range(count))
    if family == "gemma3_text":
        pattern = int(config.get("sliding_window_pattern") or 6)
        return tuple(window if (index + 1) % pattern else None for index in range(count))
    if family in ("qwen2", "qwen3"):
        if not config.get("use_sliding_window"):
            return (None,) * count
        first = int(config.get("max_window_layers", count))
        return tuple(window if index >= first else None for index in range(count))
    return (window,) * count
