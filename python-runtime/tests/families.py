"""One small model of each family that the own engine knows, with random weights, and the reference for its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from conftest import CONTEXT_TOKENS, make_tokenizer
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)

WINDOW = 16
MAJOR = int(transformers.__version__.split(".")[0])
LAYERS = 6
_SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT_TOKENS,
}
CONFIGS: dict[str, Any] = {
    "llama": lambda common: LlamaConfig(**_SHAPE, **common),
    "llama-tied": lambda common: LlamaConfig(**_SHAPE, **common, tie_word_embeddings=True, attention_bias=True),
    # transformers 4.52 gives all layers the window, whatever max_window_layers says: it is no reference for that.
    "qwen2": lambda common: Qwen2Config(
        **_SHAPE, **common, use_sliding_window=MAJOR >= 5, sliding_window=WINDOW, max_window_layers=3
    ),
    # The size of a head is its own number here, not hidden size / heads.
    "qwen3": lambda common: Qwen3Config(**_SHAPE, **common, head_dim=32),
    "mistral": lambda common: MistralConfig(**_SHAPE, **common, sliding_window=WINDOW),
    "gemma2": lambda common: Gemma2Config(**_SHAPE, **common, head_dim=16, sliding_window=WINDOW),
    "gemma3": lambda common: Gemma3TextConfig(**_SHAPE, **common, head_dim=16, sliding_window=WINDOW),
    "phi3": lambda common: Phi3Config(**_SHAPE, **common, sliding_window=WINDOW),
    "gpt2": lambda common: GPT2Config(n_embd=64, n_layer=LAYERS, n_head=4, n_positions=CONTEXT_TOKENS, **common),
    "mixtral": lambda common: MixtralConfig(
        **_SHAPE, **common, num_local_experts=4, num_experts_per_tok=2, sliding_window=None
    ),
}


def make_family(folder: Path, family: str, **changes: Any) -> Path:
    """A model in several shards, so that the index is read too. `changes` are of its configuration."""
    tokenizer = make_tokenizer(folder, chat=True)
    torch.manual_seed(0)
    common = {
        "vocab_size": len(tokenizer),
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": None,
        # The usual range of 0.02 gives nearly the same token everywhere and would hide mistakes.
        "initializer_range": 0.2,
        **changes,
    }
    model = AutoModelForCausalLM.from_config(CONFIGS[family](common))
    model.save_pretrained(folder, max_shard_size="200KB")
    return folder


def set_end_tokens(model: Path, tokens: list[int]) -> None:
    """Changes the files of a model so that any of these tokens ends an answer."""
    for name in ("config.json", "generation_config.json"):
        path = model / name
        path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": tokens}))


def reference(model: Path, prompts: list[tuple[tuple[int, ...], int]], *, caches: bool = True) -> list[list[int]]:
    """(prompt ids, tokens at most) -> the tokens of transformers' generate() for each alone, in float32."""
    loaded = AutoModelForCausalLM.from_pretrained(model, attn_implementation="eager")
    answers = []
    with torch.inference_mode():
        for ids, most in prompts:
            given = torch.tensor([ids])
            output = loaded.generate(
                input_ids=given,
                attention_mask=torch.ones_like(given),
                max_new_tokens=most,
                do_sample=False,
                use_cache=caches,
                pad_token_id=1,
            )
            answers.append(output[0, len(ids) :].tolist())
    return answers
