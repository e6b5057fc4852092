"""What a plan costs, and what each process of a pipeline holds in memory while it loads.

python bench/loading.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import RUNTIME, Row, print_table, random_llama

# The configuration of Qwen3-235B-A22B; the weight files need not be there.
LARGE = {
    "model_type": "qwen3_moe",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "num_experts": 128,
    "num_hidden_layers": 94,
    "num_attention_heads": 64,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
}

LOAD = """
import os, re, sys
from pathlib import Path
import torch
from furo_infer._footprint import cut_by_bytes, read_footprint
from furo_infer.engines._links import Alone, Place
from furo_infer.engines._stage import load_stage
from transformers import AutoConfig, AutoModelForCausalLM
def resident(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
folder, stage, stages = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
config = AutoConfig.from_pretrained(folder)
import transformers.models.llama.modeling_llama, accelerate
torch.ones(8) @ torch.ones(8)
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
if stages == 0:
    kept = AutoModelForCausalLM.from_pretrained(folder)
    own = sum(p.numel() * p.element_size() for p in kept.parameters())
    print(sum(float(p.sum()) for p in kept.parameters()))  # what is only mapped so far is read now
else:
    cuts = cut_by_bytes(read_footprint(folder, "float32"), stages)
    links = Alone(); links.place = Place(stage, stages)
    kept = load_stage(folder, config, cuts, links, torch.float32, torch.device("cpu"))
    own = sum(p.numel() * p.element_size() for m in kept.weighted for p in m.parameters(recurse=False))
print(own, resident("VmHWM") - before)
"""


def plan_row() -> list[Row]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "config.json").write_text(json.dumps(LARGE))
        job = {"version": 1, "model": str(folder), "input": str(folder / "none.jsonl"), "output": "results"}
        (folder / "job.json").write_text(json.dumps(job))
        program = (
            "import re, sys; from furo_infer.__main__ import main; main(sys.argv[1:]);"
            "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)"
        )
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", program, "plan", str(folder / "job.json")],
            cwd=RUNTIME,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - began
    megabytes = int(done.stderr.split()[-1]) / 1024
    return [
        Row("plan for a 235B model", "-", f"{seconds:.2f} s", seconds, 1, True),
        Row("memory of the same", "-", f"{megabytes:.0f} MB", megabytes, 100, True),
    ]


def _load(model: Path, stage: int, stages: int) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(model), str(stage), str(stages)],
        cwd=RUNTIME,
        capture_output=True,
        text=True,
        check=True,
    )
    own, peak = (int(word) for word in done.stdout.split()[-2:])
    return own, peak


def rows() -> list[Row]:
    table = plan_row()
    with tempfile.TemporaryDirectory() as folder:
        model = random_llama(Path(folder) / "llama-150m")
        _, whole = _load(model, 0, 0)
        for stage in range(2):
            own, peak = _load(model, stage, 2)
            figures = f"{own / 2**20:.0f} MiB of weights, peak {peak / 2**20:.0f} MiB more than before"
            peer = f"whole model on every rank: peak {whole / 2**20:.0f} MiB"
            table.append(Row(f"loading stage {stage} of 2, Llama of 150M", peer, figures, peak / own, 1.1, True))
    return table


if __name__ == "__main__":
    print_table(rows())
