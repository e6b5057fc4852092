"""Checkpoints of any size without weights: config.json and files that hold a real header and then a hole."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Shapes = dict[str, tuple[int, ...]]

QWEN3_235B: dict[str, Any] = {
    "model_type": "qwen3_moe",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 94,
    "num_attention_heads": 64,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
}


def dense(
    family: str, hidden: int, width: int, layers: int, heads: int, vocabulary: int, **more: Any
) -> dict[str, Any]:
    """The config.json of a model with 8 key-value heads of 128 each."""
    return {
        "model_type": family,
        "hidden_size": hidden,
        "intermediate_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": vocabulary,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        **more,
    }


def shapes_of(config: Mapping[str, Any]) -> Shapes:
    """The tensors of a model of Llama's kind, as its authors publish it."""
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    query = config["num_attention_heads"] * config["head_dim"]
    key = config["num_key_value_heads"] * config["head_dim"]
    layer: Shapes = {
        "self_attn.q_proj.weight": (query, hidden),
        "self_attn.k_proj.weight": (key, hidden),
        "self_attn.v_proj.weight": (key, hidden),
        "self_attn.o_proj.weight": (hidden, query),
        "input_layernorm.weight": (hidden,),
        "post_attention_layernorm.weight": (hidden,),
    }
    experts = config.get("num_experts") or config.get("num_local_experts")
    width = config.get("moe_intermediate_size") or config["intermediate_size"]
    if experts:
        layer["mlp.gate.weight"] = (experts, hidden)
        for expert in range(experts):
            layer[f"mlp.experts.{expert}.gate_proj.weight"] = (width, hidden)
            layer[f"mlp.experts.{expert}.up_proj.weight"] = (width, hidden)
            layer[f"mlp.experts.{expert}.down_proj.weight"] = (hidden, width)
    else:
        layer["mlp.gate_proj.weight"] = layer["mlp.up_proj.weight"] = (width, hidden)
        layer["mlp.down_proj.weight"] = (hidden, width)
    shapes = {
        f"model.layers.{index}.{name}": shape
        for index in range(config["num_hidden_layers"])
        for name, shape in layer.items()
    }
    shapes["model.embed_tokens.weight"] = (vocabulary, hidden)
    shapes["model.norm.weight"] = (hidden,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (vocabulary, hidden)
    return shapes


def write_checkpoint(folder: Path, config: Mapping[str, Any], *, shards: int = 1, dtype: str = "BF16") -> Path:
    """config.json and `shards` weight files with an index when there are several; the files take no room on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config)
    shapes = list(shapes_of(config).items())
    step = -(-len(shapes) // shards)
    names = {}
    for shard in range(shards):
        name = "model.safetensors" if shards == 1 else f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        own = dict(shapes[shard * step : (shard + 1) * step])
        _write_header(folder / name, own, dtype)
        names |= dict.fromkeys(own, name)
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return folder


def write_config(folder: Path, config: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _write_header(path: Path, shapes: Shapes, dtype: str) -> None:
    width = {"BF16": 2, "F16": 2, "F32": 4}[dtype]
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape in shapes.items():
        end = at + width * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
