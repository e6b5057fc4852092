"""The keys and values of the rows in flight, and the attention over them.

One slab a layer, (rows, KV heads, columns, head size), with the position of a token as its column: nothing is
padded, concatenated or expanded at a decoding step. Layers with a sliding window keep a ring of window columns.
Stock attention costs 3 + 2g times the bytes of the cache at every step (g query heads share one KV head), because
it expands them and concatenates anew.

Knows tensors; does not know records. A step is either a prefill (new rows from their first token, or a further piece
of one long row) or a decoding step (one token for each row).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, Cache

from .._plan import TILE_BYTES

__all__ = ["ATTENTION", "LayerShape", "SlabCache", "attend", "register_attention"]

ATTENTION = "furo"


@dataclass(frozen=True)
class LayerShape:
    """`kv_heads` of this process; `window` is None for full attention."""

    kv_heads: int
    head_dim: int
    window: int | None


class SlabCache(Cache):  # type: ignore[misc]  # transformers comes without types
    """What transformers calls a cache: each attention layer hands its new keys and values to `update`."""

    def __init__(self, layers: Sequence[LayerShape], dtype: torch.dtype, device: torch.device) -> None:
        # The base class would build its own layers; nothing of it is used but its name in type checks.
        self.layers: list[object] = []
        self._shapes = layers
        self._dtype = dtype
        self._device = device
        self.rows = 0
        self.columns = 0
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        # Of the step that runs: the rows it writes, and their lengths (prefill) or positions (decoding).
        self._slots: torch.Tensor | None = None
        self._places = torch.zeros(0, dtype=torch.long)
        self._row_index = torch.zeros(0, dtype=torch.long)
        self._last = 0
        self.start = 0
        self._masks: dict[int, torch.Tensor | None] = {}

    def resize(self, rows: int, columns: int, kept: int) -> None:
        """Makes room for `rows` x `columns`, keeping the first `kept` rows as far as both sizes reach.

        Raises torch.cuda.OutOfMemoryError; then some layers have the new size and some the old one, no row is lost,
        and the next call goes on from there.
        """
        if rows == self.rows and columns == self.columns:
            return
        self.rows = self.columns = 0
        for slabs in (self._keys, self._values):
            for index, shape in enumerate(self._shapes):
                width = columns if shape.window is None else min(columns, shape.window)
                fresh = torch.zeros(
                    (rows, shape.kv_heads, width, shape.head_dim), dtype=self._dtype, device=self._device
                )
                if index == len(slabs):
                    slabs.append(fresh)
                    continue
                both, whole = min(width, slabs[index].shape[2]), min(kept, rows, slabs[index].shape[0])
                fresh[:whole, :, :both] = slabs[index][:whole, :, :both]
                slabs[index] = fresh
        self.rows, self.columns = rows, columns

    def move(self, moves: Sequence[tuple[int, int]]) -> None:
        """Copies whole rows, each (from, to); the former are free afterwards."""
        for slab in (*self._keys, *self._values):
            for source, target in moves:
                slab[target] = slab[source]

    def begin_prefill(self, slots: Sequence[int], lengths: Sequence[int], start: int = 0) -> None:
        """With a `start`: the tokens from there to its length of the one row in `slots`, which holds those before."""
        self.start = start
        self._slots = torch.tensor(slots, device=self._device)
        self._places = torch.tensor(lengths, device=self._device)

    def begin_decoding(self, positions: Sequence[int]) -> None:
        """The new token of row n comes at `positions[n]`; rows are those from 0 on."""
        self._slots = None
        self._places = torch.tensor(positions, device=self._device)
        self._row_index = torch.arange(len(positions), device=self._device)
        self._last = max(positions)
        self._masks = {}

    @property
    def decoding(self) -> bool:
        return self._slots is None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """key_states, value_states: (rows, KV heads, tokens, head size) -> what the new tokens attend to."""
        if self._slots is not None and self.start > 0:
            return self._add_piece(self._keys[layer_idx], key_states), self._add_piece(
                self._values[layer_idx], value_states
            )
        if self._slots is not None:
            self._write_prompt(self._keys[layer_idx], key_states)
            self._write_prompt(self._values[layer_idx], value_states)
            return key_states, value_states
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        width = keys.shape[2]
        columns = self._places % width
        keys[self._row_index, :, columns] = key_states[:, :, 0]
        values[self._row_index, :, columns] = value_states[:, :, 0]
        rows, span = len(self._row_index), min(width, self._last + 1)
        return keys[:rows, :, :span], values[:rows, :, :span]

    def forbidden(self, span: int) -> torch.Tensor | None:
        """(rows, 1, 1, span): the columns that a row has not reached; None where all have reached all."""
        if span not in self._masks:
            mask = torch.arange(span, device=self._device) > self._places[:, None]
            self._masks[span] = mask[:, None, None, :] if bool(mask.any()) else None
        return self._masks[span]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.start if self._slots is not None else self._last

    def _add_piece(self, slab: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """(1, KV heads, tokens, head size) behind what the row holds -> what they attend to, the oldest first."""
        assert self._slots is not None
        slot, width, first, last = int(self._slots[0]), slab.shape[2], self.start, self.start + states.shape[2]
        row = slab[slot : slot + 1]
        if last <= width:
            row[:, :, first:last] = states
            return row[:, :, :last]
        # The ring forgets what the first tokens of the piece still see.
        before = torch.arange(max(0, first - width), first, device=self._device) % width
        seen = torch.cat((row[:, :, before], states), dim=2)
        kept = torch.arange(max(first, last - width), last, device=self._device)
        row[:, :, kept % width] = states[:, :, kept - first]
        return seen

    def _write_prompt(self, slab: torch.Tensor, states: torch.Tensor) -> None:
        width, tokens = slab.shape[2], states.shape[2]
        if tokens <= width:
            slab[self._slots, :, :tokens] = states
            return
        # The ring: column c holds the last position below the row's length that leaves c when divided by the width.
        last = (self._places - 1)[:, None]
        position = last - (last - torch.arange(width, device=self._device)) % width
        index = position.clamp(min=0)[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3])
        slab[self._slots] = states.gather(2, index)


def register_attention() -> None:
    """Makes `attend` known to transformers under the name ATTENTION."""
    AttentionInterface.register(ATTENTION, attend)


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001 - transformers hands it over; see below
    scaling: float | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """query: (rows, heads, tokens, head size); key, value: (rows, KV heads, columns, head size)
    -> (rows, tokens, heads, head size), as transformers' attention functions.

    `module.furo` is an `Attending`. The mask that transformers hands over is not looked at: rows begin at
    column 0 and end at their own length, so that causality is all there is.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    step: Attending = module.furo
    if step.cache.decoding:
        output = _decode(query * scale, key, value, step.cache.forbidden(key.shape[2]), softcap)
    elif step.cache.start > 0 or softcap is not None:
        output = _in_tiles(query * scale, key, value, step.window, softcap)
    else:
        output = _prefill(query * scale, key, value, step.window)
    return output.transpose(1, 2).contiguous(), None


@dataclass
class Attending:
    """What the attention of one layer has to know beside its tensors; `cache` is that of the step that runs."""

    window: int | None
    cache: SlabCache


def _decode(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    forbidden: torch.Tensor | None,
    softcap: float | None,
) -> torch.Tensor:
    rows, heads, _, head_dim = query.shape
    kv_heads = key.shape[1]
    grouped = query.view(rows, kv_heads, heads // kv_heads, head_dim)
    scores = torch.matmul(grouped, key.transpose(2, 3)).float()
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if forbidden is not None:
        scores.masked_fill_(forbidden, float("-inf"))
    shares = scores.softmax(dim=-1).to(value.dtype)
    return torch.matmul(shares, value).view(rows, heads, 1, head_dim)


def _prefill(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None) -> torch.Tensor:
    tokens, groups = query.shape[2], query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    if window is None or tokens <= window:
        return scaled_dot_product_attention(query, key, value, is_causal=tokens > 1, scale=1.0)
    place = torch.arange(tokens, device=query.device)
    seen = (place[None, :] <= place[:, None]) & (place[None, :] > place[:, None] - window)
    return scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=1.0)


def _in_tiles(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None, softcap: float | None
) -> torch.Tensor:
    """The queries belong to the last columns of the keys. Some at a time, so that their scores, in float32 with all
    columns, never take more than TILE_BYTES however long the prompt is."""
    rows, heads, tokens, head_dim = query.shape
    kv_heads, columns = key.shape[1], key.shape[2]
    grouped = query.reshape(rows, kv_heads, heads // kv_heads, tokens, head_dim)
    output = torch.empty((rows, heads, tokens, head_dim), dtype=value.dtype, device=value.device)
    place = torch.arange(columns, device=query.device)
    height = max(1, TILE_BYTES // (4 * rows * heads * columns))
    for first in range(0, tokens, height):
        last = min(first + height, tokens)
        tile = grouped[:, :, :, first:last].reshape(rows, kv_heads, -1, head_dim)
        scores = torch.matmul(tile, key.transpose(2, 3)).float()
        if softcap is not None:
            scores = scores.div_(softcap).tanh_().mul_(softcap)
        own = place[columns - tokens + first : columns - tokens + last, None]
        unseen = place > own if window is None else (place > own) | (place <= own - window)
        shaped = scores.view(rows, heads, last - first, columns).masked_fill_(unseen, float("-inf"))
        shares = shaped.softmax(dim=-1).to(value.dtype).view(rows, kv_heads, -1, columns)
        output[:, :, first:last] = torch.matmul(shares, value).view(rows, heads, last - first, head_dim)
    return output
