"""Decoding over a long context with grouped attention and the slab, beside transformers' SDPA and dynamic cache.

python bench/attention.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
import transformers
from common import Row, in_turns, print_table
from conftest import make_tokenizer
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig

from furo_infer._footprint import cut_by_bytes, read_footprint
from furo_infer.engines._links import Alone
from furo_infer.engines._slab import SlabCache
from furo_infer.engines._stage import load_stage

ROWS, CONTEXT, STEPS, GROUP = 16, 900, 12, 8


def make(folder: Path) -> Path:
    make_tokenizer(folder, chat=True)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=1000,
        hidden_size=512,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=16,
        head_dim=128,
        num_key_value_heads=16 // GROUP,
        max_position_embeddings=2048,
        initializer_range=0.1,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@torch.inference_mode()
def rows(rounds: int = 3) -> list[Row]:
    with tempfile.TemporaryDirectory() as place:
        folder = make(Path(place))
        peer = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa")
        config = peer.config
        cuts = cut_by_bytes(read_footprint(folder, "float32"), 1)
        stage = load_stage(folder, config, cuts, Alone(), torch.float32, torch.device("cpu"))
    chosen = torch.Generator().manual_seed(1)
    lengths = torch.randint(CONTEXT // 2, CONTEXT, (ROWS,), generator=chosen).tolist()
    prompts = [torch.randint(2, 1000, (length,), generator=chosen) for length in lengths]
    width = max(lengths)
    said: dict[str, list[torch.Tensor]] = {}

    left, mask = torch.zeros((ROWS, width), dtype=torch.long), torch.zeros((ROWS, width), dtype=torch.long)
    right = torch.zeros((ROWS, width), dtype=torch.long)
    for index, prompt in enumerate(prompts):
        left[index, width - len(prompt) :], mask[index, width - len(prompt) :] = prompt, 1
        right[index, : len(prompt)] = prompt

    stock_cache = DynamicCache()
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    first = peer(
        input_ids=left, attention_mask=mask, position_ids=positions, past_key_values=stock_cache, logits_to_keep=1
    ).logits[:, -1]

    def stock() -> None:
        if stock_cache.get_seq_length() > width:
            stock_cache.crop(width - stock_cache.get_seq_length())
        seen, token, tokens = mask, first.argmax(-1), []
        for step in range(STEPS):
            seen = torch.cat([seen, torch.ones((ROWS, 1), dtype=torch.long)], dim=1)
            place = torch.tensor(lengths)[:, None] + step
            out = peer(
                input_ids=token[:, None], attention_mask=seen, position_ids=place, past_key_values=stock_cache
            ).logits[:, -1]
            token = out.argmax(-1)
            tokens.append(token)
        said["stock"] = tokens

    cache = SlabCache(stage.shapes, torch.float32, torch.device("cpu"))
    cache.resize(ROWS, width + STEPS, 0)
    cache.begin_prefill(list(range(ROWS)), lengths)
    hidden = stage.forward(right, torch.arange(width).expand(ROWS, -1), cache)
    own_first = stage.logits(hidden[torch.arange(ROWS), torch.tensor(lengths) - 1])

    def own() -> None:
        token, tokens = own_first.argmax(-1), []
        for step in range(STEPS):
            places = [length + step for length in lengths]
            cache.begin_decoding(places)
            hidden = stage.forward(token[:, None], torch.tensor(places)[:, None], cache)
            token = stage.logits(hidden[:, 0]).argmax(-1)
            tokens.append(token)
        said["own"] = tokens

    best = in_turns({"stock": stock, "own": own}, rounds)
    same = all(torch.equal(a, b) for a, b in zip(said["stock"], said["own"], strict=True))
    figures = f"{best['stock']:.2f} -> {best['own']:.2f} s for {STEPS} steps; tokens {'the same' if same else 'DIFFER'}"
    work = f"padded decoding, {ROWS} rows, context up to {CONTEXT}, g = {GROUP}"
    return [
        Row(
            work,
            f"stock SDPA and cache of transformers {transformers.__version__}",
            figures,
            best["stock"] / best["own"],
            3,
        )
    ]


if __name__ == "__main__":
    print_table(rows())
