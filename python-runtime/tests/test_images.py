"""Gemma 3 with its part for images: plan and run decide alike, and the own engine answers as transformers does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import write_config
from conftest import CONTEXT_TOKENS, make_tokenizer
from families import WINDOW, reference
from rendezvous import RendezvousLinks, Replica
from test_own_families import _records, answers_of
from transformers import AutoModelForCausalLM, Gemma3Config, Gemma3TextConfig

from furo_infer._errors import ModelError
from furo_infer._footprint import cut_by_bytes, read_footprint
from furo_infer._job import Job
from furo_infer._own_families import DEFAULTS, OWN_FAMILIES
from furo_infer._plan import Machine, Wish, make_plan
from furo_infer._results import Answer
from furo_infer.engines import choose_backend
from furo_infer.engines._families import family_of
from furo_infer.engines._links import Alone
from furo_infer.engines._tokens import Tokens

# As published for gemma-3-4b-it: what transformers has by itself is left out.
GEMMA_3_4B: dict[str, Any] = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "sliding_window": 1024,
    },
    "vision_config": {"hidden_size": 1152, "model_type": "siglip_vision_model", "num_hidden_layers": 27},
}


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeing")
    tokenizer = make_tokenizer(folder, chat=True)
    torch.manual_seed(0)
    text = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        sliding_window=WINDOW,
        max_position_embeddings=CONTEXT_TOKENS,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
    )
    vision: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "image_size": 16}
    vision |= {"num_attention_heads": 2, "patch_size": 8}
    config = Gemma3Config(
        text_config=text,
        vision_config=vision,
        mm_tokens_per_image=4,
        boi_token_index=2,
        eoi_token_index=3,
        image_token_index=4,
        eos_token_id=1,
        initializer_range=0.2,
    )
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        # The last matrix is the embedding: one as large as what the layers add would say the last token again.
        model.get_input_embeddings().weight *= 0.1
    model.save_pretrained(folder, max_shard_size="200KB")
    return folder


def job_of(folder: Path, **changes: Any) -> Job:
    return Job(str(folder), Path("i"), Path("o"), **changes)


def test_plan_and_run_take_the_own_engine(seeing: Path) -> None:
    assert json.loads((seeing / "config.json").read_text())["model_type"] == "gemma3"
    footprint = read_footprint(seeing, "float32")
    assert footprint.is_own
    assert choose_backend(job_of(seeing)) == "own"
    plan = make_plan(footprint, Machine(), Wish(stages=2, tensor_parallel=2))
    assert not any("own engine" in sentence for sentence in (*plan.reasons, *plan.problems))


@pytest.mark.parametrize(("stages", "parts"), [(1, 1), (2, 2)])
def test_text_is_answered_as_by_the_whole_model(seeing: Path, stages: int, parts: int) -> None:
    tokens = Tokens(job_of(seeing))
    records = _records()
    prompts = [tokens.prepare(record) for record in records]
    said = reference(seeing, [(one.ids, one.record.generation.max_new_tokens) for one in prompts])
    expected = [tokens.decode([token for token in answer if token not in tokens.end_tokens]) for answer in said]
    assert len(set(expected)) > len(records) // 2
    footprint = read_footprint(seeing, "float32")
    cuts = cut_by_bytes(footprint, stages)

    def body(links: RendezvousLinks | Alone) -> dict[str, Answer] | None:
        return answers_of(links, seeing, tokens, records, stages, cuts)

    answers = body(Alone()) if stages * parts == 1 else Replica(stages, parts).run(body)[0]
    assert answers is not None
    assert [answers[record.id].text for record in records] == expected


def test_the_part_for_images_is_not_counted(seeing: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(seeing)
    text = sum(
        one.numel() for name, one in model.named_parameters() if "vision" not in name and "multi_modal" not in name
    )
    footprint = read_footprint(seeing, "float32")
    assert footprint.from_files
    assert footprint.weight_bytes == 4 * text
    assert text < sum(one.numel() for one in model.parameters())


def test_what_a_published_configuration_leaves_out_is_known(tmp_path: Path) -> None:
    footprint = read_footprint(write_config(tmp_path, GEMMA_3_4B))
    assert footprint.weight_bytes == pytest.approx(2 * 3.88e9, rel=0.01)
    assert footprint.windows.count(None) == 34 // 6
    config = Gemma3TextConfig()
    assert {name: getattr(config, name) for name in DEFAULTS["gemma3_text"]} == DEFAULTS["gemma3_text"]


@pytest.mark.parametrize(
    "config",
    [
        {**GEMMA_3_4B, "quantization_config": {"quant_method": "gptq"}},
        {**GEMMA_3_4B, "model_type": "llava", "text_config": {**GEMMA_3_4B["text_config"], "model_type": "llama"}},
    ],
)
def test_models_that_the_own_engine_does_not_run(tmp_path: Path, config: dict[str, Any]) -> None:
    (write_config(tmp_path, config) / "model.safetensors").touch()
    assert choose_backend(job_of(tmp_path)) == "transformers"
    (tmp_path / "model.safetensors").unlink()
    whole = {**config, **DEFAULTS["gemma3_text"]}
    assert not read_footprint(write_config(tmp_path, whole)).is_own


def test_quantized_weights_are_refused_when_the_own_engine_is_asked_for() -> None:
    assert "gemma3_text" in OWN_FAMILIES
    with pytest.raises(ModelError, match="does not run quantized weights"):
        family_of(Gemma3TextConfig(quantization_config={"quant_method": "gptq"}))
