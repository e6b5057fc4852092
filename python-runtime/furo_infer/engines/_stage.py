"""A stage: some layers of a model, cut for tensor parallel, with nothing but their own weights loaded.

The layers are transformers' own, built on the meta device from a configuration with the stage's number of layers
and the part's number of heads; only the weights are ours to place. Layer numbers are local, so that the first layer
of every stage fills the first layer of its cache (transformers 5.18's own pipeline gets that wrong, and with it
every padded row).

Knows checkpoints and modules; does not know batches or other processes but through Links.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import init_empty_weights
from torch import nn
from transformers import AutoModel

from ._checkpoint import Checkpoint, Cut
from ._families import Family, family_of, layer_windows
from ._few_rows import linear, speed_up
from ._links import Links, Place
from ._rotary import turn_rows_apart, turns_with_length
from ._slab import ATTENTION, Attending, LayerShape, SlabCache, register_attention

__all__ = ["Stage", "load_stage"]


class Stage:
    """`forward` runs the own layers; `logits` exists only on the last stage."""

    def __init__(self, base: Any, head: nn.Module | None, config: Any, shapes: list[LayerShape]) -> None:
        self._base = base
        self._head = head
        self._attending = [
            module.furo for module in base.modules() if isinstance(getattr(module, "furo", None), Attending)
        ]
        self.shapes = shapes
        self.hidden_size = int(config.hidden_size)
        parameter = next(base.parameters())
        self.dtype, self.device = parameter.dtype, parameter.device
        # A four-dimensional mask goes through every version untouched, and `attend` does not look at it.
        self._mask = torch.zeros((1, 1, 1, 1), dtype=self.dtype, device=self.device)

    @property
    def weighted(self) -> list[nn.Module]:
        """Every module that has weights of its own."""
        tops = [self._base, *([self._head] if self._head is not None else [])]
        return [module for top in tops for module in top.modules() if list(module.parameters(recurse=False))]

    def forward(self, given: torch.Tensor, positions: torch.Tensor, cache: SlabCache) -> torch.Tensor:
        """given: (rows, tokens) token ids on the first stage, (rows, tokens, hidden size) on the others;
        positions: (rows, tokens) -> (rows, tokens, hidden size)."""
        for attending in self._attending:
            attending.cache = cache
        name = "input_ids" if given.dim() == 2 else "inputs_embeds"
        output = self._base(
            **{name: given},
            position_ids=positions,
            attention_mask=self._mask,
            past_key_values=cache,
            use_cache=True,
            return_dict=True,
        )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """hidden: (rows, hidden size) -> (rows, vocabulary) in float32. All parts of the last stage call it."""
        assert self._head is not None
        logits: torch.Tensor = self._head(hidden)
        return logits


class _Head(nn.Module):
    """The last matrix, or this part's rows of it, with Gemma's soft cap. The parts of the logits are brought together
    as a sum in which every part is zero where the others are."""

    def __init__(
        self, weight: nn.Parameter, softcap: float | None, share: slice, vocabulary: int, links: Links
    ) -> None:
        super().__init__()
        self.weight, self._softcap = weight, softcap
        self._share, self._vocabulary, self._links = share, vocabulary, links

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = linear(hidden, self.weight).float()
        if self._links.place.parts > 1:
            whole = logits.new_zeros((logits.shape[0], self._vocabulary))
            whole[:, self._share] = logits
            logits = self._links.add_up(whole)
        return logits if self._softcap is None else torch.tanh(logits / self._softcap) * self._softcap


class _Embedding(nn.Module):
    """This part's rows of an embedding: the other tokens are zero here and come with the sum over the parts."""

    def __init__(self, inner: nn.Module, share: slice, links: Links) -> None:
        super().__init__()
        self.inner, self._share, self._links = inner, share, links

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        own = (ids >= self._share.start) & (ids < self._share.stop)
        hidden: torch.Tensor = self.inner(torch.where(own, ids - self._share.start, 0))
        return self._links.add_up(hidden * own[..., None])


def load_stage(
    folder: Path, config: Any, cuts: tuple[int, ...], links: Links, dtype: torch.dtype, device: torch.device
) -> Stage:
    """The stage at `links.place`; `cuts` are the first layers of all stages. Raises ModelError.

    The checkpoint is read tensor by tensor, and of a divided one only the own part: memory never holds more than
    the own weights and one tensor.
    """
    place = links.place
    _, family = family_of(config)
    first = cuts[place.stage]
    last = config.num_hidden_layers if place.is_last else cuts[place.stage + 1]
    local = _local_config(config, first, last, place.parts)
    register_attention()
    with init_empty_weights(include_buffers=False):
        base = AutoModel.from_config(local, attn_implementation=ATTENTION)
    base.eval()
    checkpoint = Checkpoint(folder, family.embedding)
    _drop_foreign_parts(base, family, place)
    share = _vocabulary_share(int(config.vocab_size), place)
    last_matrix = _read_head(family, checkpoint, config, share, place)
    if last_matrix is not None:
        last_matrix = last_matrix.to(device=device, dtype=dtype)
    _load_weights(base, family, checkpoint, config, first, place, dtype, device)
    if place.is_first and place.parts > 1:
        setattr(base, family.embedding, _Embedding(getattr(base, family.embedding), share, links))
    _shape_attention(base, family, config, first, place)
    _add_up_outputs(base, family, links)
    if family.scales_input and place.stage > 0 and int(transformers.__version__.split(".")[0]) < 5:
        base.config = copy.deepcopy(local)
        base.config.hidden_size = 1
    for name, buffer in base.named_buffers():
        _set(base, name, buffer.to(device))
    if turns_with_length(config):
        turn_rows_apart(base)
    if device.type == "cpu":
        speed_up(base)
    head = _make_head(base, family, config, last_matrix, share, links) if place.is_last else None
    windows = layer_windows(config)[first:last]
    kv_heads = int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads) // place.parts
    shapes = [LayerShape(kv_heads, _head_dim(config), window) for window in windows]
    return Stage(base, head, config, shapes)


def _head_dim(config: Any) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _local_config(config: Any, first: int, last: int, parts: int) -> Any:
    local = copy.deepcopy(config)
    local.num_hidden_layers = last - first
    if getattr(config, "layer_types", None):
        local.layer_types = list(config.layer_types[first:last])
    if hasattr(config, "max_window_layers"):
        local.max_window_layers = max(0, config.max_window_layers - first)
    if parts > 1 and config.model_type != "gpt2":
        local.head_dim = _head_dim(config)
        local.num_attention_heads = config.num_attention_heads // parts
        local.num_key_value_heads = config.num_key_value_heads // parts
        local.intermediate_size = config.intermediate_size // parts
    return local


def _drop_foreign_parts(base: Any, family: Family, place: Place) -> None:
    if not place.is_first:
        setattr(base, family.embedding, nn.Identity())
    if not place.is_last:
        setattr(base, family.norm, nn.Identity())


def _load_weights(
    base: Any,
    family: Family,
    checkpoint: Checkpoint,
    config: Any,
    first: int,
    place: Place,
    dtype: torch.dtype,
    device: torch.device,
) -> None:
    sizes = {
        "heads": int(config.num_attention_heads) * _head_dim(config),
        "kv_heads": int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads) * _head_dim(config),
        "intermediate": int(getattr(config, "intermediate_size", None) or 4 * config.hidden_size),
    }
    # The largest first: a tensor is in memory twice while it is read.
    for name, parameter in sorted(base.named_parameters(), key=lambda named: -named[1].numel()):
        head, _, rest = name.partition(".")
        key, inside = name, ""
        if head == family.layers:
            number, _, inside = rest.partition(".")
            key = f"{family.layers}.{int(number) + first}.{inside}"
        cut = _cut_of(inside, family, sizes, place)
        if name == f"{family.embedding}.weight":
            share = _vocabulary_share(int(config.vocab_size), place)
            tensor = checkpoint.read_rows(key, share, (int(config.vocab_size), int(config.hidden_size)))
        elif _is_summed_bias(inside, family) and place.part > 0:
            tensor = torch.zeros(parameter.shape)
        elif name == "wpe.weight" and not place.is_first:
            tensor = torch.zeros(parameter.shape)  # positions were added by the first stage
        else:
            tensor = checkpoint.read(key, cut, tuple(parameter.shape) if cut is None else None)
        _set(base, name, nn.Parameter(tensor.to(device=device, dtype=dtype), requires_grad=False))


def _cut_of(inside: str, family: Family, sizes: dict[str, int], place: Place) -> Cut | None:
    if place.parts == 1 or inside == "":
        return None
    for ending, dimension in family.cut.items():
        if inside.endswith(ending):
            fused = next((parts for end, parts in family.fused.items() if inside.endswith(end)), ())
            return Cut(dimension, place.part, place.parts, tuple(sizes[unit] for unit in fused))
    return None


def _is_summed_bias(inside: str, family: Family) -> bool:
    return any(inside.endswith(f"{module}.bias") for module in family.summed)


def _set(base: nn.Module, name: str, value: Any) -> None:
    path, _, leaf = name.rpartition(".")
    owner = base.get_submodule(path)
    if leaf in owner._parameters:
        owner._parameters[leaf] = value
    else:
        owner._buffers[leaf] = value


def _shape_attention(base: Any, family: Family, config: Any, first: int, place: Place) -> None:
    """Gives each attention its window, and GPT-2's the width of its part."""
    windows = layer_windows(config)
    none = SlabCache([], torch.float32, torch.device("cpu"))
    for number, layer in enumerate(getattr(base, family.layers)):
        window = windows[first + number]
        for module in layer.modules():
            if hasattr(module, "is_sliding"):
                # A layer's own flag makes 4.52 cut the mask, which is not looked at; the attention's chooses the RoPE.
                module.is_sliding = window is not None and module is not layer
            if hasattr(module, "layer_idx"):
                module.furo = Attending(window, none)
        if config.model_type == "gpt2":
            layer.attn.split_size = config.hidden_size // place.parts
            layer.attn.c_attn.nf = 3 * layer.attn.split_size
            layer.mlp.c_fc.nf //= place.parts


def _add_up_outputs(base: Any, family: Family, links: Links) -> None:
    if links.place.parts == 1:
        return

    def sum_of_parts(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        return links.add_up(output)

    for layer in getattr(base, family.layers):
        for name, module in layer.named_modules():
            if name.endswith(family.summed):
                module.register_forward_hook(sum_of_parts)


def _vocabulary_share(vocabulary: int, place: Place) -> slice:
    """The rows of embedding and last matrix that this part holds."""
    step = -(-vocabulary // place.parts)
    return slice(min(place.part * step, vocabulary), min((place.part + 1) * step, vocabulary))


def _read_head(family: Family, checkpoint: Checkpoint, config: Any, share: slice, place: Place) -> torch.Tensor | None:
    """The own rows of the last matrix; None where it is not needed, or is the embedding that lies here anyway."""
    if not place.is_last or (config.tie_word_embeddings and place.is_first):
        return None
    name = f"{family.embedding}.weight" if config.tie_word_embeddings else "lm_head.weight"
    return checkpoint.read_rows(name, share, (int(config.vocab_size), int(config.hidden_size)))


def _make_head(
    base: Any, family: Family, config: Any, tensor: torch.Tensor | None, share: slice, links: Links
) -> nn.Module:
    embedding = getattr(base, family.embedding)
    if tensor is None:
        weight: Any = (embedding.inner if isinstance(embedding, _Embedding) else embedding).weight
    else:
        weight = nn.Parameter(tensor, requires_grad=False)
    return _Head(weight, getattr(config, "final_logit_softcapping", None), share, int(config.vocab_size), links)
