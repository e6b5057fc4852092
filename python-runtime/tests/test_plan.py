"""The layout that a plan chooses for published sizes of models on V100s of 32 GiB, and what is told or refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints import QWEN3_235B, dense, write_checkpoint, write_config
from conftest import CONTRACT

from furo_infer._errors import UsageError
from furo_infer._estimate import estimate_seconds
from furo_infer._footprint import Footprint, read_footprint
from furo_infer._groups import GROUPS, batch_groups
from furo_infer._plan import GIB, Machine, Plan, Wish, choose_group, make_plan

LLAMA_8B = dense("llama", 4096, 14336, 32, 32, 128256)
QWEN3_14B = dense("qwen3", 5120, 17408, 40, 40, 151936)
MISTRAL_24B = dense("mistral", 5120, 32768, 40, 32, 131072)
QWEN3_32B = dense("qwen3", 5120, 25600, 64, 64, 151936)
MIXTRAL = dense("mixtral", 4096, 14336, 32, 32, 32000, num_local_experts=8)
LLAMA_70B = dense("llama", 8192, 28672, 80, 64, 128256)
# No published model: the shape of Llama-70B with a narrower MLP, for the largest that one node holds.
DENSE_50B = dense("llama", 8192, 18176, 80, 64, 128256)
MISTRAL_123B = dense("mistral", 12288, 28672, 88, 96, 32768)
USABLE = 0.92 * 32 - 1  # GiB of a V100: 8 % are lost between allocations, 1 GiB is the libraries'

# GiB of weights; GPUs of one replica, replicas, stages, parts; thousands of tokens of cache; group and nodes.
# Computed by hand on even shares; whole layers and the activations take up to 8 % of the cache away.
TABLE = [
    pytest.param(LLAMA_8B, 15.0, (1, 1, 1), 108, "cx-share", 1, id="8B"),
    pytest.param(QWEN3_14B, 27.5, (2, 1, 2), 189, "cx-single", 1, id="14B"),
    pytest.param(MISTRAL_24B, 44.0, (2, 1, 2), 79, "cx-single", 1, id="24B"),
    pytest.param(QWEN3_32B, 61.0, (1, 1, 4), 211, "cx-single", 1, id="32B"),
    pytest.param(MIXTRAL, 87.0, (1, 1, 4), 205, "cx-single", 1, id="8x7B"),
    pytest.param(DENSE_50B, 93.1, (1, 1, 4), 61, "cx-single", 1, id="50B"),
    pytest.param(LLAMA_70B, 131.0, (1, 2, 4), 306, "cx-small", 2, id="70B"),
    pytest.param(MISTRAL_123B, 228.0, (1, 3, 4), 323, "cx-small", 3, id="123B"),
    pytest.param(QWEN3_235B, 438.0, (1, 5, 4), None, "cx-small", 5, id="235B"),
]


def footprint_of(folder: Path, config: dict[str, Any]) -> Footprint:
    return read_footprint(write_config(folder, config))


def layout_of(plan: Plan) -> tuple[int, int, int]:
    return plan.replicas, plan.stages, plan.tensor_parallel


@pytest.mark.parametrize(("config", "weights", "layout", "room", "group", "nodes"), TABLE)
def test_published_models(
    tmp_path: Path,
    config: dict[str, Any],
    weights: float,
    layout: tuple[int, int, int],
    room: int | None,
    group: str,
    nodes: int,
) -> None:
    footprint = footprint_of(tmp_path, config)
    assert footprint.weight_bytes / GIB == pytest.approx(weights, rel=0.005)
    plan = make_plan(footprint, Machine(), Wish())
    assert layout_of(plan) == layout
    if room is not None:
        assert plan.kv_tokens / 1000 == pytest.approx(room, rel=0.08)
    chosen, asked, refused = choose_group(plan, None)
    assert (chosen and chosen.name, asked) == (group, nodes)
    smaller = [one.name for one in batch_groups()]
    assert [sentence.split()[0] for sentence in refused] == smaller[: smaller.index(group)]


@pytest.mark.parametrize("config", [LLAMA_8B, QWEN3_32B, MIXTRAL, MISTRAL_123B, QWEN3_235B])
def test_bytes_add_up_to_the_card(tmp_path: Path, config: dict[str, Any]) -> None:
    footprint = footprint_of(tmp_path, config)
    plan = make_plan(footprint, Machine(), Wish())
    gpu = plan.gpu
    assert gpu.total == 32 * GIB
    assert gpu.fixed / GIB == pytest.approx(32 - USABLE, abs=0.001)
    assert min(gpu.weights, gpu.activations, gpu.kv_cache) > 0
    assert gpu.logits >= 0  # the last stage alone has some
    assert gpu.weights >= footprint.weight_bytes * 0.95 / plan.gpus_per_replica


def test_memory_is_not_the_nominal_one(tmp_path: Path) -> None:
    """Defect 15: 27.5 GiB of weights are less than the 32 GiB of the card, and still too much for it."""
    footprint = footprint_of(tmp_path, QWEN3_14B)
    assert footprint.weight_bytes < 32 * GIB
    assert make_plan(footprint, Machine(), Wish()).gpus_per_replica == 2
    assert make_plan(footprint, Machine(gpu_bytes=48 * GIB), Wish()).gpus_per_replica == 1


@pytest.mark.parametrize("config", [QWEN3_32B, LLAMA_70B, QWEN3_235B])
def test_every_stage_fits(tmp_path: Path, config: dict[str, Any]) -> None:
    """Defect 15: no GPU is left empty and none is filled up to the brim."""
    footprint = footprint_of(tmp_path, config)
    plan = make_plan(footprint, Machine(), Wish())
    assert plan.cuts[0] == 0
    assert len(plan.cuts) == plan.stages == plan.micro_batches
    for first, last in zip(plan.cuts, (*plan.cuts[1:], footprint.layers), strict=True):
        weights = footprint.stage_bytes(first, last, plan.tensor_parallel)
        cache = footprint.kv_bytes(first, last, 2048, plan.tensor_parallel) * plan.rows * plan.micro_batches
        assert weights > footprint.weight_bytes / plan.gpus_per_replica / 2
        assert weights + cache <= USABLE * GIB


def test_rows_follow_from_the_cache(tmp_path: Path) -> None:
    footprint = footprint_of(tmp_path, LLAMA_8B)
    short = make_plan(footprint, Machine(), Wish(tokens=1100))
    assert short.rows == short.kv_tokens // 1100
    assert 90 <= short.rows <= 100, "about 96 rows of 1100 tokens fit beside Llama-3.1-8B"
    assert make_plan(footprint, Machine(), Wish(tokens=2200)).rows in (short.rows // 2, short.rows // 2 + 1)
    assert make_plan(footprint, Machine(), Wish(tokens=1100, rows=8)).rows == 8


def test_sliding_windows_leave_more_room(tmp_path: Path) -> None:
    full = footprint_of(tmp_path / "full", MISTRAL_24B)
    narrow = footprint_of(tmp_path / "narrow", {**MISTRAL_24B, "sliding_window": 1024})
    wish = Wish(tokens=8192)
    rows = [make_plan(one, Machine(), wish).rows for one in (full, narrow)]
    assert rows[1] == pytest.approx(8 * rows[0], rel=0.15)


@pytest.mark.parametrize("layout", [(1, 1, 4), (1, 4, 1), (2, 2, 1), (1, 2, 2)])
def test_told_layout_is_kept(tmp_path: Path, layout: tuple[int, int, int]) -> None:
    footprint = footprint_of(tmp_path, LLAMA_8B)
    plan = make_plan(footprint, Machine(nodes=1), Wish(replicas=layout[0], stages=layout[1], tensor_parallel=layout[2]))
    assert layout_of(plan) == layout
    assert plan.problems == ()


def _refused(footprint: Footprint, wish: Wish, machine: Machine) -> str:
    with pytest.raises(UsageError) as caught:
        make_plan(footprint, machine, wish)
    assert caught.value.reason == "layoutImpossible"
    assert caught.value.message.endswith(".")
    return caught.value.message


def test_heads_that_cannot_be_divided(tmp_path: Path) -> None:
    footprint = footprint_of(tmp_path, {**LLAMA_8B, "num_attention_heads": 9, "num_key_value_heads": 3})
    said = _refused(footprint, Wish(tensor_parallel=2), Machine())
    assert "3 key-value heads" in said
    assert "by 2" in said


def test_more_gpus_than_there_are(tmp_path: Path) -> None:
    footprint = footprint_of(tmp_path, LLAMA_8B)
    said = _refused(footprint, Wish(replicas=2, stages=1, tensor_parallel=4), Machine(nodes=1))
    assert "8 GPUs" in said
    assert "there are 4" in said


def test_more_stages_than_layers(tmp_path: Path) -> None:
    footprint = footprint_of(tmp_path, LLAMA_8B)
    assert "32 layers" in _refused(footprint, Wish(stages=33), Machine())


def test_tensor_parallel_stays_inside_a_node(tmp_path: Path) -> None:
    footprint = footprint_of(tmp_path, LLAMA_8B)
    assert "nodes of 4" in _refused(footprint, Wish(tensor_parallel=8), Machine())


def test_odd_heads_take_stages_inside_the_node(tmp_path: Path) -> None:
    odd = {**QWEN3_32B, "num_attention_heads": 63, "num_key_value_heads": 9}
    plan = make_plan(footprint_of(tmp_path, odd), Machine(), Wish())
    assert (plan.stages, plan.tensor_parallel) == (4, 1)


def test_too_small_machine_is_a_problem_in_words(tmp_path: Path) -> None:
    plan = make_plan(footprint_of(tmp_path, LLAMA_70B), Machine(nodes=1), Wish())
    assert any("does not fit" in problem for problem in plan.problems)
    assert all(sentence.endswith(".") for sentence in (*plan.problems, *plan.reasons))


def test_family_without_own_engine_does_not_cross_nodes(tmp_path: Path) -> None:
    plan = make_plan(footprint_of(tmp_path, QWEN3_235B), Machine(), Wish())
    assert any("qwen3_moe" in problem for problem in plan.problems)


def test_estimate_is_near_the_measured_run(tmp_path: Path) -> None:
    """Measured on Furo: 29 to 32 tokens/s for Llama-3.1-8B on one V100, one row at a time; 330 s for 30 records."""
    footprint = footprint_of(tmp_path, LLAMA_8B)
    plan = make_plan(footprint, Machine(), Wish(rows=1, tokens=1100))
    seconds, rate = estimate_seconds(footprint, plan, [271] * 30, 202)
    assert rate == pytest.approx(30, rel=0.15)
    assert seconds == pytest.approx(330, rel=0.15)


@pytest.mark.parametrize(("config", "rows", "least", "most"), [(LLAMA_8B, 32, 600, 1570), (QWEN3_32B, 30, 250, 1364)])
def test_estimate_lies_between_target_and_roofline(
    tmp_path: Path, config: dict[str, Any], rows: int, least: float, most: float
) -> None:
    footprint = footprint_of(tmp_path, config)
    plan = make_plan(footprint, Machine(), Wish(rows=rows, tokens=1100))
    _, rate = estimate_seconds(footprint, plan, [600] * rows, 400)
    assert least <= rate <= most


def test_estimate_grows_with_the_work(tmp_path: Path) -> None:
    """Defect 14: one elapse limit for every job."""
    footprint = footprint_of(tmp_path, LLAMA_8B)
    plan = make_plan(footprint, Machine(), Wish(tokens=1100))
    nothing, few, many, longer = (
        estimate_seconds(footprint, plan, [500] * count, new)[0]
        for count, new in ((0, 1), (96, 64), (9600, 64), (9600, 512))
    )
    assert 60 <= nothing <= 120, "modules, conda and imports took about 90 s"
    assert nothing < few < many < longer
    copies = dataclasses.replace(plan, replicas=4)
    assert estimate_seconds(footprint, copies, [500] * 9600, 512)[0] < longer / 3


def test_group_that_ends_too_early_is_passed_over(tmp_path: Path) -> None:
    plan = make_plan(footprint_of(tmp_path, LLAMA_8B), Machine(), Wish())
    chosen, nodes, refused = choose_group(plan, 200 * 3600)
    assert (chosen and chosen.name, nodes) == ("cx-single", 1)
    assert len(refused) == 1
    assert "168 h" in refused[0]


def test_groups_are_those_of_the_extension() -> None:
    """furo.ts is held equal to the same file by test/unit/pjm/resourceGroupsContract.test.ts."""
    contract = json.loads((CONTRACT / "resourceGroups.json").read_text(encoding="utf-8"))
    assert contract == [
        {
            "name": group.name,
            "isShared": group.is_shared,
            "minNodes": group.min_nodes,
            "maxNodes": group.max_nodes,
            "gpusPerUnit": group.gpus_per_unit,
            "coresPerUnit": group.cores_per_unit,
            "memoryGiBPerUnit": group.memory_gib_per_unit,
            "defaultElapseSeconds": group.default_elapse_seconds,
            "maxElapseSeconds": group.max_elapse_seconds,
            "isInteractive": group.is_interactive,
        }
        for group in GROUPS
    ]


def test_headers_and_config_give_one_plan(tmp_path: Path) -> None:
    files = read_footprint(write_checkpoint(tmp_path / "files", LLAMA_70B, shards=30))
    config = footprint_of(tmp_path / "config", LLAMA_70B)
    one, other = (make_plan(footprint, Machine(), Wish()) for footprint in (files, config))
    assert (layout_of(one), one.cuts) == (layout_of(other), other.cuts)
    assert one.kv_tokens == pytest.approx(other.kv_tokens, rel=0.001)
