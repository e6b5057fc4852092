"""Which models the own engine runs: one decision for the plan before a job and for the job itself. Never imports torch.

Knows config.json as it stands in files; engines/_families.py has what the engine must know of each family.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["DEFAULTS", "OWN_FAMILIES", "is_of_images", "own_family"]

# engines/_families.py has the same names (a test compares them).
OWN_FAMILIES = ("llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3_text", "phi3", "gpt2", "mixtral")
# Models that can also look at images, of which the own engine holds and runs the text part alone.
WITH_IMAGES = {"gemma3": "gemma3_text"}
IMAGE_PARTS = re.compile(r"(?:^|\.)(?:vision_tower|multi_modal_projector)\.")
# What published files leave out, because transformers has it by itself (a test compares them).
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "gemma3_text": {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "vocab_size": 262208,
        "max_position_embeddings": 131072,
    }
}


def own_family(config: Mapping[str, Any]) -> str | None:
    """The family under which the own engine runs a model with this config.json; None for one that it does not run,
    because of its family or because its weights are quantized."""
    if config.get("quantization_config"):
        return None
    kind = str(config.get("model_type"))
    family = WITH_IMAGES.get(kind, kind)
    return family if family in OWN_FAMILIES else None


def is_of_images(tensor: str) -> bool:
    """Whether a tensor belongs to the part for images."""
    return IMAGE_PARTS.search(tensor) is not None
