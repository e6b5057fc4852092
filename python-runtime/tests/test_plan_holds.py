"""What a plan says a GPU holds is what the own engine loads there: every family, stages and tensor-parallel parts."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from families import CONFIGS, make_family
from rendezvous import RendezvousLinks, Replica
from transformers import AutoConfig

from furo_infer._footprint import cut_by_bytes, read_footprint
from furo_infer.engines._links import Alone
from furo_infer.engines._stage import load_stage

LOADING = threading.Lock()  # building on the meta device changes all threads of a process


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: make_family(tmp_path_factory.mktemp(family), family) for family in CONFIGS}


@pytest.mark.parametrize(("stages", "parts"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("family", list(CONFIGS))
def test_planned_bytes_are_loaded(made: dict[str, Path], family: str, stages: int, parts: int) -> None:
    folder = made[family]
    footprint = read_footprint(folder, "float32")
    cuts = cut_by_bytes(footprint, stages)
    config = AutoConfig.from_pretrained(folder).get_text_config()

    def body(links: RendezvousLinks | Alone) -> tuple[int, int]:
        with LOADING:
            stage = load_stage(folder, config, cuts, links, torch.float32, torch.device("cpu"))
        held = {id(one): one.numel() * 4 for module in stage.weighted for one in module.parameters()}
        return links.place.stage, sum(held.values())

    loaded = [body(Alone())] if stages * parts == 1 else Replica(stages, parts).run(body)
    assert len(loaded) == stages * parts
    for stage, held in loaded:
        last = (*cuts[1:], footprint.layers)[stage]
        # Norms and a few biases stay whole in every part; only in a model this small do they count at all.
        assert held == pytest.approx(footprint.stage_bytes(cuts[stage], last, parts), rel=0.02 if parts > 1 else 0)
