"""The bytes of a model from config.json and headers: equal to real checkpoints, and plain words where one is broken."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from checkpoints import QWEN3_235B, dense, shapes_of, write_checkpoint, write_config
from families import CONFIGS, make_family

from furo_infer._errors import ModelError
from furo_infer._footprint import Footprint, cut_by_bytes, read_footprint

GIB = 2**30
SMALL = dense("llama", 64, 96, 6, 4, 1000, head_dim=16, num_key_value_heads=2)
QWEN3_32B = dense("qwen3", 5120, 25600, 64, 64, 151936)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: make_family(tmp_path_factory.mktemp(family), family) for family in CONFIGS}


@pytest.mark.parametrize("family", CONFIGS)
def test_counts_what_transformers_loads(real: dict[str, Path], family: str) -> None:
    from transformers import AutoModelForCausalLM

    footprint = read_footprint(real[family], "float32")
    model = AutoModelForCausalLM.from_pretrained(real[family])
    assert footprint.from_files
    assert footprint.weight_bytes == 4 * sum(one.numel() for one in model.parameters())
    config = model.config
    assert footprint.layers == config.num_hidden_layers == 6
    assert (footprint.hidden_size, footprint.attention_heads) == (64, 4)
    assert footprint.kv_heads == (4 if family == "gpt2" else 2)
    assert footprint.head_dim == (32 if family == "qwen3" else 16)
    assert footprint.tied == bool(config.tie_word_embeddings)


@pytest.mark.parametrize("family", CONFIGS)
def test_windows_are_those_of_transformers(real: dict[str, Path], family: str) -> None:
    from transformers import AutoConfig

    from furo_infer.engines._families import layer_windows

    expected = layer_windows(AutoConfig.from_pretrained(real[family]).get_text_config())
    assert read_footprint(real[family]).windows == expected
    assert (set(expected) == {None}) == (family in ("llama", "llama-tied", "qwen3", "gpt2", "mixtral"))


def test_width_of_the_checkpoint_does_not_count(tmp_path: Path) -> None:
    wide = write_checkpoint(tmp_path / "wide", SMALL, dtype="F32")
    narrow = write_checkpoint(tmp_path / "narrow", SMALL)
    assert read_footprint(wide) == read_footprint(narrow)
    assert read_footprint(wide, "float32").weight_bytes == 2 * read_footprint(wide).weight_bytes


def test_headers_of_all_shards_are_read(tmp_path: Path) -> None:
    one, many = write_checkpoint(tmp_path / "one", SMALL), write_checkpoint(tmp_path / "many", SMALL, shards=5)
    assert read_footprint(many) == read_footprint(one)


def test_index_only_names_the_files(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, SMALL, shards=2)
    whole = read_footprint(folder)
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    files = sorted(set(index["weight_map"].values()))
    path.write_text(json.dumps({"weight_map": dict(zip("ab", files, strict=True))}))
    assert read_footprint(folder) == whole


@pytest.mark.parametrize("config", [SMALL, QWEN3_32B, QWEN3_235B, {**SMALL, "tie_word_embeddings": True}])
def test_config_alone_gives_nearly_the_same(tmp_path: Path, config: dict[str, object]) -> None:
    counted = read_footprint(write_checkpoint(tmp_path / "files", config))
    guessed = read_footprint(write_config(tmp_path / "config", config))
    assert counted.from_files
    assert not guessed.from_files
    assert guessed.weight_bytes == pytest.approx(counted.weight_bytes, rel=0.001)
    assert (guessed.tied, guessed.windows) == (counted.tied, counted.windows)


def test_head_size_is_not_hidden_size_over_heads(tmp_path: Path) -> None:
    footprint = read_footprint(write_config(tmp_path, QWEN3_32B))
    assert 5120 // 64 == 80
    assert footprint.head_dim == 128
    assert footprint.kv_bytes(0, 64, 1) == 256 * 1024


def test_window_bounds_the_cache(tmp_path: Path) -> None:
    full = read_footprint(write_config(tmp_path / "full", SMALL))
    narrow = read_footprint(
        write_config(tmp_path / "narrow", {**SMALL, "model_type": "mistral", "sliding_window": 100})
    )
    assert narrow.windows == (100,) * 6
    assert narrow.kv_bytes(0, 6, 50) == full.kv_bytes(0, 6, 50)
    assert narrow.kv_bytes(0, 6, 5000) == full.kv_bytes(0, 6, 100)


def test_tied_matrix_is_held_where_it_is_used(tmp_path: Path) -> None:
    footprint = read_footprint(write_checkpoint(tmp_path, {**SMALL, "tie_word_embeddings": True}))
    matrix = 2 * 1000 * 64
    assert footprint.tied
    assert footprint.stage_bytes(0, 6) == footprint.weight_bytes
    assert footprint.stage_bytes(0, 3) + footprint.stage_bytes(3, 6) == footprint.weight_bytes + matrix


@pytest.mark.parametrize(("stages", "tied"), [*itertools.product(range(1, 7), (False, True))])
def test_cuts_are_the_best_there_are(tmp_path: Path, stages: int, tied: bool) -> None:
    footprint = read_footprint(write_checkpoint(tmp_path, {**SMALL, "tie_word_embeddings": tied}))

    def largest(cuts: tuple[int, ...]) -> int:
        return max(footprint.stage_bytes(a, b) for a, b in zip(cuts, (*cuts[1:], 6), strict=True))

    cuts = cut_by_bytes(footprint, stages)
    every = [(0, *rest) for rest in itertools.combinations(range(1, 6), stages - 1)]
    assert cuts in every
    assert largest(cuts) == min(map(largest, every))


def test_embedding_and_head_weigh_as_layers_do(tmp_path: Path) -> None:
    """Defect 15: an even cut by number of layers overfills the GPUs at both ends."""
    footprint = read_footprint(write_config(tmp_path, QWEN3_32B))
    counts = _layers_of(cut_by_bytes(footprint, 4), footprint)
    assert sum(counts) == 64
    assert counts[0] <= 16 >= counts[3]
    assert max(counts) - min(counts) <= 3
    assert counts != [16, 16, 16, 16]


def _layers_of(cuts: tuple[int, ...], footprint: Footprint) -> list[int]:
    return [last - first for first, last in zip(cuts, (*cuts[1:], footprint.layers), strict=True)]


def _refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_footprint(folder)
    assert caught.value.message.endswith((".", "?"))
    return caught.value.message


def test_folder_without_config(tmp_path: Path) -> None:
    assert "config.json" in _refused(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "llama"}', '{"hidden_size": "many"}', "\xff"])
def test_config_that_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    assert "config" in _refused(tmp_path)


def test_missing_shard_is_named(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, SMALL, shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()
    said = _refused(folder)
    assert "model-00002-of-00003.safetensors" in said
    assert "incomplete" in said


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"\xff" * 64, (5).to_bytes(8, "little") + b"{nope", b"\x02" + bytes(7) + b"[]"]
)
def test_broken_header_is_named(tmp_path: Path, content: bytes) -> None:
    folder = write_checkpoint(tmp_path, SMALL)
    (folder / "model.safetensors").write_bytes(content)
    assert "model.safetensors" in _refused(folder)


def test_file_that_was_cut_off(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, SMALL)
    path = folder / "model.safetensors"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    assert "incomplete" in _refused(folder)


def test_broken_index(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, SMALL, shards=2)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": []}')
    assert "index" in _refused(folder)


def test_layers_that_config_tells_of_must_be_there(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, SMALL)
    write_config(folder, {**SMALL, "num_hidden_layers": 7})
    assert "layer 6" in _refused(folder)
    assert len(shapes_of(SMALL)) == 6 * 9 + 3
