"""The verb `inspect`: its placements are those of accelerate and transformers themselves, from config.json alone."""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from accelerate import infer_auto_device_map, init_empty_weights
from accelerate.utils import get_balanced_memory
from conftest import RUNTIME, make_model
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    DeepseekV3Config,
    GPT2Config,
    LlamaConfig,
    MixtralConfig,
    Qwen3Config,
)

from furo_infer import _inspect
from furo_infer._errors import ModelError, OutputError, UsageError
from furo_infer._job import POLICIES
from furo_infer._placement import RULES, device_map_of, empty_model, kv_bytes_per_token, place
from furo_infer._plan import GIB

SVG = "{http://www.w3.org/2000/svg}"
SMALL: dict[str, Any] = {"vocab_size": 500, "num_hidden_layers": 6, "hidden_size": 64, "num_attention_heads": 4}
CONFIGS: dict[str, Any] = {
    "llama": LlamaConfig(**SMALL, intermediate_size=128, num_key_value_heads=2),
    "llama tied": LlamaConfig(**SMALL, intermediate_size=128, num_key_value_heads=2, tie_word_embeddings=True),
    "mixtral": MixtralConfig(**SMALL, intermediate_size=96, num_key_value_heads=2, num_local_experts=4),
    "gpt2": GPT2Config(vocab_size=500, n_layer=6, n_embd=64, n_head=4, n_positions=128),
}
LATENT_ATTENTION = DeepseekV3Config(
    **SMALL,
    intermediate_size=128,
    moe_intermediate_size=32,
    num_key_value_heads=4,
    n_routed_experts=4,
    n_group=1,
    topk_group=1,
    num_experts_per_tok=2,
    kv_lora_rank=16,
    q_lora_rank=24,
    qk_nope_head_dim=16,
    qk_rope_head_dim=8,
    v_head_dim=12,
)
QWEN3_32B = Qwen3Config(
    hidden_size=5120,
    intermediate_size=25600,
    num_hidden_layers=64,
    num_attention_heads=64,
    num_key_value_heads=8,
    head_dim=128,
    vocab_size=151936,
    tie_word_embeddings=False,
)


@pytest.fixture
def qwen(tmp_path: Path) -> Path:
    """A folder with the configuration of Qwen3-32B and nothing else."""
    QWEN3_32B.architectures = ["Qwen3ForCausalLM"]
    QWEN3_32B.save_pretrained(tmp_path)
    return tmp_path


def inspect(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    _inspect.add_arguments(parser)
    return _inspect.run(parser.parse_args([str(argument) for argument in arguments]))


def layers_by_gpu(config: Any, policy: str) -> list[int]:
    placement = place(config, policy, gpus=4, memory_bytes=32 * GIB, dtype="float16")
    return [len(share.layers) for share in placement.shares]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("kilobytes", [150, 400, 4000])
def test_the_device_map_is_that_of_accelerate(family: str, policy: str, kilobytes: int) -> None:
    config = CONFIGS[family]
    memory: dict[int | str, int] = dict.fromkeys(range(3), kilobytes * 1000)
    with init_empty_weights():
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    whole = list(model._no_split_modules)
    limits = dict(memory)
    if policy != "sequential":
        limits = get_balanced_memory(model, limits, whole, low_zero=policy == "balanced_low_0")
    expected = infer_auto_device_map(model, limits, whole)
    placement = place(config, policy, gpus=3, memory_bytes=kilobytes * 1000, dtype="float32")
    assert placement.device_map == expected
    assert placement.total_bytes == sum(
        tensor.numel() * tensor.element_size() for tensor in [*model.parameters(), *model.buffers()]
    )


class Caught(Exception):
    """Ends a loading once its device map is known."""


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("kilobytes", [70, 4000])
def test_the_device_map_is_that_of_from_pretrained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, policy: str, kilobytes: int
) -> None:
    model = make_model(tmp_path, family=family)
    memory: dict[int | str, int] = dict.fromkeys(range(3), kilobytes * 1000)
    caught: list[dict[str, Any]] = []
    inferring = transformers.modeling_utils._get_device_map

    def infer_and_stop(*arguments: Any, **named: Any) -> None:
        caught.append(inferring(*arguments, **named))
        raise Caught

    monkeypatch.setattr(transformers.modeling_utils, "_get_device_map", infer_and_stop)
    with pytest.raises(Caught):
        AutoModelForCausalLM.from_pretrained(model, device_map=policy, max_memory=dict(memory))
    empty = empty_model(AutoConfig.from_pretrained(model), torch.float32)
    assert device_map_of(empty, policy, memory, rules="transformers") == caught[0]
    assert len(set(caught[0].values())) > 1 or kilobytes > 1000, "everything is on one device: the test shows nothing"


def test_the_layers_of_a_32b_model_lie_as_measured() -> None:
    """Figures measured with transformers 4.57 and accelerate 1.15 on the configuration of Qwen3-32B."""
    assert layers_by_gpu(QWEN3_32B, "auto") == [14, 18, 18, 14]
    assert layers_by_gpu(QWEN3_32B, "balanced") == [14, 18, 18, 14]
    assert layers_by_gpu(QWEN3_32B, "balanced_low_0") == [0, 22, 23, 19]
    assert layers_by_gpu(QWEN3_32B, "sequential") == [32, 32, 0, 0]


def test_full_and_empty_gpus_are_warned_of(qwen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(qwen, "--policy", "sequential", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["weight_bytes"] / GIB == pytest.approx(61.0, abs=0.05)
    assert [device["left_bytes"] < 0 for device in told["devices"]] == [True, True, False, False]
    assert [device["kv_tokens"] for device in told["devices"]] == [0, 0, None, None]
    full_0, full_1, empty = told["warnings"]
    assert full_0.startswith("GPU 0 is full: its weights take 30.5 GiB of 28.4 GiB usable memory")
    assert full_1.startswith("GPU 1 is full")
    assert empty.startswith("GPU 2 and GPU 3 hold nothing")
    assert inspect(qwen, "--json") == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []


def test_json_can_be_loaded_with_and_adds_up(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(tiny_model, "--json", "--dtype", "float32", "--gpus", "2") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rules"]["name"] == "accelerate"
    assert sum(device["weight_bytes"] for device in told["devices"]) == told["weight_bytes"]
    for device in told["devices"]:
        assert sum(part["bytes"] for part in device["parts"]) == device["weight_bytes"]
        assert device["left_bytes"] == device["usable_bytes"] - device["weight_bytes"]
    on_cpu = dict.fromkeys(told["device_map"], "cpu")
    model = AutoModelForCausalLM.from_pretrained(tiny_model, device_map=on_cpu)
    assert sum(value.numel() * 4 for value in model.parameters()) == pytest.approx(told["weight_bytes"], rel=0.001)


def test_the_table_names_every_gpu_and_the_room_left(qwen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(qwen) == 0
    text = capsys.readouterr().out
    assert "61.0 GiB as float16, policy auto by accelerate, 4 x 32.0 GiB" in text
    rows = [line.split() for line in text.splitlines() if line.startswith("GPU ")]
    assert [row[2] for row in rows] == ["0-13", "14-31", "32-49", "50-63"]
    fewest = min(int(row[-2].replace(",", "")) for row in rows)
    assert f"The fullest GPU decides: {fewest:,} tokens" in text
    assert "warning" not in text


def test_what_fits_on_no_gpu_is_told(qwen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(qwen, "--gpus", "1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [device["device"] for device in told["devices"]] == [0, "disk"]
    assert any("do not fit on the GPUs" in warning for warning in told["warnings"])


@pytest.mark.parametrize("family", [*CONFIGS, "latent attention"])
def test_kv_bytes_are_those_of_the_cache(family: str) -> None:
    config = {**CONFIGS, "latent attention": LATENT_ATTENTION}[family]
    model = AutoModelForCausalLM.from_config(config)
    cache = model(torch.ones(1, 7, dtype=torch.long), use_cache=True).past_key_values
    layers = [(layer.keys, layer.values) for layer in cache.layers] if hasattr(cache, "layers") else list(cache)
    tensors = [tensor for pair in layers for tensor in pair[:2]]
    real = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    told = kv_bytes_per_token(config, 4) * 6 * 7
    # Versions of transformers differ in how much of a latent attention they keep; what is told is the most of them.
    assert told >= real if family == "latent attention" else told == real


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("policy", ["auto", "sequential"])
def test_the_picture_is_sound_and_to_scale(qwen: Path, tmp_path: Path, rules: str, policy: str) -> None:
    path = tmp_path / "placement.svg"
    assert inspect(qwen, "--svg", path, "--policy", policy, "--rules", rules) == 0
    root = ElementTree.parse(path).getroot()
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "placement-title placement-desc"
    title, description = root[0], root[1]
    assert (title.tag, title.get("id")) == (SVG + "title", "placement-title")
    assert (description.tag, description.get("id")) == (SVG + "desc", "placement-desc")
    assert "GPU 3" in (description.text or "")
    assert "prefers-color-scheme: dark" in (root.findtext(SVG + "style") or "")
    bars: dict[str, list[ElementTree.Element]] = {}
    for rect in root.iter(SVG + "rect"):
        if rect.find(SVG + "title") is not None:
            bars.setdefault(str(rect.get("y")), []).append(rect)
    assert len(bars) == 4
    for rects in bars.values():
        for before, after in itertools.pairwise(rects):
            end = float(before.get("x", 0)) + float(before.get("width", 0))
            assert end == pytest.approx(float(after.get("x", 0)), abs=0.5), "the parts of a bar must touch"
        widths = sum(float(rect.get("width", 0)) for rect in rects)
        assert widths == pytest.approx(820, abs=2), "every bar is the whole memory of its GPU"
    layers = [rect for rects in bars.values() for rect in rects if rect.get("class") in ("even", "odd")]
    assert len(layers) == 64


def test_names_are_escaped_in_the_picture() -> None:
    from furo_infer._placement_picture import placement_svg

    placement = place(CONFIGS["llama"], "auto", gpus=2, memory_bytes=2 * GIB, dtype="float16")
    root = ElementTree.fromstring(placement_svg(placement, 'a<b>&"c"'))
    assert (root[0].text or "").startswith('a<b>&"c": policy auto')


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["{model}", "--memory", "much"], UsageError, "--memory must be a size such as 32GiB"),
        (["{model}", "--memory=-1GiB"], UsageError, "--memory must be a size"),
        (["{model}", "--gpus", "0"], UsageError, "--gpus must be at least 1"),
        (["{model}/absent"], ModelError, "There is no model at"),
        (["{model}", "--svg", "{model}/absent/a.svg"], OutputError, "cannot be written: No such file"),
    ],
)
def test_what_is_wrong_is_said(qwen: Path, arguments: list[str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        inspect(*(argument.format(model=qwen) for argument in arguments))


def test_an_architecture_that_generates_no_text_is_a_model_error(tmp_path: Path) -> None:
    transformers.ViTConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"cannot be built from its config\.json"):
        inspect(tmp_path)


def test_a_broken_configuration_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="no configuration that can be read"):
        inspect(tmp_path)


def test_importing_the_verb_does_not_import_torch() -> None:
    program = "import sys, furo_infer._inspect, furo_infer._placement_picture; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=RUNTIME, check=False).returncode == 0
