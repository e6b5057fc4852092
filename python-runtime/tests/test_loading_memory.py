"""Each process reads its own part of the weights and nothing else: what it takes at most while loading is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import RUNTIME
from transformers import AutoModelForCausalLM, LlamaConfig

# VmHWM is the highest use of memory since the kernel was told to begin anew. A small model goes first, so that what
# Python and its libraries take once is taken; without mmap of glibc, freed tensors would stay and hide what is taken.
MEASURE = """
import gc, json, re, sys
from pathlib import Path
import torch
from transformers import AutoConfig
from furo_infer._footprint import cut_by_bytes, read_footprint
from furo_infer.engines._links import Alone, Place
from furo_infer.engines._stage import load_stage

def resident(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

def load(folder, stage, stages, part, parts):
    cuts = cut_by_bytes(read_footprint(folder, "float32"), stages)
    links = Alone()
    links.place = Place(stage, stages, part, parts)
    loaded = load_stage(folder, AutoConfig.from_pretrained(folder), cuts, links, torch.float32, torch.device("cpu"))
    return sum(p.numel() * p.element_size() for m in loaded.weighted for p in m.parameters(recurse=False)), loaded

small, large = Path(sys.argv[1]), Path(sys.argv[2])
told = []
for place in json.loads(sys.argv[3]):
    load(small, *place)
    gc.collect()
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    own, kept = load(large, *place)
    told.append((own, resident("VmHWM") - before))
    del kept
print(json.dumps(told))
"""
PLACES = [(0, 2, 0, 1), (0, 1, 1, 2), (1, 2, 1, 2)]  # stage, stages, part, parts


def make(folder: Path, width: int) -> int:
    """A Llama with random weights; returns its bytes."""
    config = LlamaConfig(
        vocab_size=width * 8,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=4,
    )
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder, max_shard_size="40MB")
    return 4 * sum(one.numel() for one in model.parameters())


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs the memory counters of Linux")
def test_no_process_takes_more_than_its_own_weights_and_a_tenth(tmp_path: Path) -> None:
    torch.manual_seed(0)
    make(tmp_path / "small", 64)
    whole = make(tmp_path / "large", 512)
    assert whole > 80e6
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "small"), str(tmp_path / "large"), json.dumps(PLACES)],
        cwd=RUNTIME,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = dict(zip(PLACES, json.loads(done.stdout.splitlines()[-1]), strict=True))
    for place, (own, peak) in told.items():
        parts_of_all = place[1] * place[3]
        assert own == pytest.approx(whole / parts_of_all, rel=0.1), place
        assert peak <= 1.1 * own, f"{place}: {own / 1e6:.1f} MB of weights, {peak / 1e6:.1f} MB at most"
        assert peak >= 0.9 * own, f"{place}: the weights were not seen in memory, so that nothing is measured"
