"""The verb `plan`: what it prints for people and for the extension, what it costs, and its words for bad input."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from checkpoints import QWEN3_235B, dense, write_checkpoint, write_config
from conftest import CONTRACT, Place

GIB = 2**30
QWEN3_32B = dense("qwen3", 5120, 25600, 64, 64, 151936)
LLAMA_8B = dense("llama", 4096, 14336, 32, 32, 128256)
# VmHWM and not ru_maxrss: that one is inherited from the process which started this one, here the whole of pytest.
MEASURED = """
import re, sys
from pathlib import Path
from furo_infer.__main__ import main
code = main(["plan", "job.json", "--json"])
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000
print(peak, [name for name in ("torch", "transformers", "numpy") if name in sys.modules], sep="\\n", file=sys.stderr)
sys.exit(code)
"""


def prepare(place: Place, config: dict[str, Any], **changes: Any) -> None:
    write_checkpoint(place.folder / "model", config, shards=3)
    place.write_job(**{"model": "model", "backend": "auto", "batch": {"rows": None}, **changes})
    place.write_input([{"question": "x" * 900} for _ in range(100)])


def planned(place: Place, *arguments: str) -> dict[str, Any]:
    code, out, err = place.run("plan", "job.json", "--json", *arguments)
    assert (code, err) == (0, "")
    value: dict[str, Any] = json.loads(out)
    return value


def refused(place: Place, *arguments: str) -> tuple[int, str]:
    code, out, err = place.run("plan", "job.json", *arguments)
    assert "Traceback" not in err
    assert out == ""
    return code, err


def test_plan_is_the_contract(place: Place) -> None:
    """The extension reads the same file."""
    prepare(place, QWEN3_32B)
    assert planned(place) == json.loads((CONTRACT / "plan.json").read_text(encoding="utf-8"))


def test_largest_model_takes_no_time_and_no_memory(place: Place) -> None:
    write_checkpoint(place.folder / "model", QWEN3_235B, shards=118)
    place.write_job(model="model", backend="auto")
    place.write_input([{"question": "x" * 6000} for _ in range(1000)])  # rows of more than 2048 tokens
    runs = []
    for _ in range(3):  # Others may be using the machine: the quickest counts, from start to end of the process.
        started = time.monotonic()
        code, out, err = place.run("plan", program=MEASURED)
        runs.append(time.monotonic() - started)
        assert code == 0, err
        peak, heavy = err.splitlines()
        assert heavy == "[]"
        assert float(peak) < 100, "MB"
        assert json.loads(out)["group"] == {"name": "cx-small", "nodes": 5}
    assert min(runs) < 1, "seconds"


def test_words_for_people(place: Place) -> None:
    prepare(place, QWEN3_32B)
    code, out, _ = place.run("plan", "job.json")
    assert code == 0
    for part in (
        "cx-single, 1 node\n",
        "1 replica x 1 stage x 4 tensor-parallel parts",
        "weights 15.3 GiB",
        "100 records",
        "an estimate",
        "roughly",
        "cx-share gives 1 GPU, the plan needs 4.",
    ):
        assert part in out
    assert "config.json" not in out


def test_says_when_the_weight_files_are_not_here(place: Place) -> None:
    prepare(place, LLAMA_8B)
    counted = planned(place)
    for file in (place.folder / "model").glob("*.safetensors*"):
        file.unlink()
    write_config(place.folder / "model", LLAMA_8B)
    assert "counted from config.json" in place.run("plan", "job.json")[1]
    assert planned(place)["weight_bytes"] == pytest.approx(counted["weight_bytes"], rel=0.001)


def test_without_input_there_is_no_estimate(place: Place) -> None:
    prepare(place, LLAMA_8B)
    (place.folder / "input.jsonl").unlink()
    plan = planned(place)
    assert (plan["records"], plan["elapse_seconds"]) == (0, None)
    assert plan["group"] == {"name": "cx-share", "nodes": 1}
    assert "elapse" not in place.run("plan", "job.json")[1]


def test_estimate_follows_the_input(place: Place) -> None:
    """Defect 14: every job asked for one hour, whatever it had to do."""
    prepare(place, LLAMA_8B)
    few = planned(place)["elapse_seconds"]
    place.write_input([{"question": "x" * 900} for _ in range(20000)])
    many = planned(place)["elapse_seconds"]
    prepare(place, QWEN3_32B)
    place.write_input([{"question": "x" * 900} for _ in range(20000)])
    assert 120 <= few <= 900
    assert many > 2 * few
    assert planned(place)["elapse_seconds"] != many


def test_half_precision_whatever_the_checkpoint_is_in(place: Place) -> None:
    prepare(place, LLAMA_8B)
    write_checkpoint(place.folder / "model", {**LLAMA_8B, "torch_dtype": "float32"}, shards=3, dtype="F32")
    assert planned(place)["weight_bytes"] / GIB == pytest.approx(15.0, abs=0.05)
    prepare(place, LLAMA_8B, dtype="float32")
    assert planned(place)["weight_bytes"] / GIB == pytest.approx(29.9, abs=0.1)


def test_told_layout_and_machine(place: Place) -> None:
    prepare(place, LLAMA_8B, layout={"stages": 2, "tensor_parallel": 2})
    plan = planned(place, "--max-nodes", "1")
    assert (plan["stages"], plan["tensor_parallel"], len(plan["cuts"])) == (2, 2, 2)
    prepare(place, LLAMA_8B)
    small = planned(place, "--gpu-memory", "16GiB")
    assert small["replicas"] * small["stages"] * small["tensor_parallel"] > 1
    assert planned(place, "--gpu-memory", "80GB")["tensor_parallel"] == 1


def test_layout_that_is_impossible(place: Place) -> None:
    prepare(place, LLAMA_8B, layout={"tensor_parallel": 3})
    code, err = refused(place)
    assert code == 2
    assert "8 key-value heads" in err


@pytest.mark.parametrize(
    "arguments",
    [("--gpu-memory", "lots"), ("--gpu-memory", "nan"), ("--gpu-memory", "0"), ("--gpu-memory", "inf")]
    + [(name, value) for name in ("--gpus-per-node", "--max-nodes") for value in ("0", "x", "1.5")],
)
def test_bad_arguments(place: Place, arguments: tuple[str, str]) -> None:
    prepare(place, LLAMA_8B)
    code, err = refused(place, *arguments)
    assert code == 2
    assert arguments[0] in err
    assert repr(arguments[1]) in err


def test_model_in_the_cache_of_the_hub(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(place.folder / "home"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    repository = place.folder / "home" / "hub" / "models--owner--big"
    prepare(place, LLAMA_8B, model="owner/big")
    code, err = refused(place)
    assert code == 3
    assert "owner/big" in err
    write_checkpoint(repository / "snapshots" / "0123abc", QWEN3_32B, shards=2)
    write_checkpoint(repository / "snapshots" / "4567def", LLAMA_8B)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc")
    assert planned(place)["tensor_parallel"] == 4
    prepare(place, LLAMA_8B, model="owner/big", revision="4567def")
    assert planned(place)["tensor_parallel"] == 1


@pytest.mark.parametrize("breaks", ["config", "header", "shard"])
def test_broken_models(place: Place, breaks: str) -> None:
    prepare(place, LLAMA_8B)
    shard = place.folder / "model" / "model-00002-of-00003.safetensors"
    if breaks == "config":
        (place.folder / "model" / "config.json").write_text("{")
    elif breaks == "header":
        shard.write_bytes(b"not a header at all")
    else:
        shard.unlink()
    code, err = refused(place)
    assert code == 3
    assert ("config.json" if breaks == "config" else shard.name) in err


def test_job_file_that_is_not_there(tmp_path: Path) -> None:
    code, err = refused(Place(tmp_path))
    assert code == 2
    assert "job.json" in err
