"""One GPU with random weights of the shape of Llama-3.1-8B: tokens per second beside transformers' generate() and the
roofline, and the highest use of memory beside the plan. First the greedy tokens of a small model are compared in
float32.

    python bench/gpu.py                     # on a machine with a GPU; takes 20 GB of disk in the temporary folder
    python bench/gpu.py --shape tiny        # the same on a CPU, to try the script: its figures mean nothing

All prompts are of one length and all answers too, which is what static batches are best at. The rate is that of
decoding: the time of the whole answers without that of answers of one token.
"""
# ruff: noqa: I001 - `common` makes the folder of the tests known, from which others come

from __future__ import annotations

import argparse
import gc
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from common import Going, Pile, own_engine, record
from checkpoints import dense, shapes_of, write_config
from conftest import make_tokenizer
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from furo_infer._footprint import Footprint, read_footprint
from furo_infer._plan import Machine, Wish, make_plan
from furo_infer.engines._devices import BFLOAT16_CAPABILITY, DTYPES
from furo_infer.engines._leader import REDONE
from furo_infer.engines.base import Request
from furo_infer.engines.own import OwnEngine

SHAPES: dict[str, dict[str, Any]] = {
    "8b": dense("llama", 4096, 14336, 32, 32, 128256),
    # Of one layer the 8-billionth part; heads as in a real model, so that groups of them share keys.
    "tiny": dense("llama", 64, 128, 2, 8, 512, head_dim=16, num_key_value_heads=2),
}
# Bytes per second of a GPU's memory, from NVIDIA's data sheets; of another card give --bandwidth.
BANDWIDTHS = {"V100": 900e9, "A100-SXM4-40GB": 1555e9, "A100-SXM4-80GB": 2039e9, "H100": 3350e9, "H200": 4800e9}
WITHIN = 0.05


@dataclass(frozen=True)
class Figures:
    """Of one number of rows; `peer` is None where it ran out of memory, `roofline` where the card is not known, and
    the bytes where there is no GPU."""

    dtype: str
    rows: int
    own: float
    peer: float | None
    roofline: float | None
    peak_bytes: int | None
    planned_bytes: int

    def line(self) -> str:
        peer = "out of memory" if self.peer is None else f"{self.peer:.0f}"
        ratio = "-" if self.peer is None else f"{self.own / self.peer:.2f}"
        roofline = "-" if self.roofline is None else f"{self.roofline:.0f}"
        share = "-" if self.roofline is None else f"{self.own / self.roofline:.2f}"
        peak = off = "-"
        if self.peak_bytes is not None:
            wrong = self.planned_bytes / self.peak_bytes - 1
            peak = f"{self.peak_bytes / 2**30:.2f}"
            off = f"{wrong:+.1%}" if abs(wrong) <= WITHIN else f"**{wrong:+.1%}**"
        cells = [self.dtype, self.rows, peer, f"{self.own:.0f}", ratio, roofline, share, peak]
        return f"| {' | '.join(map(str, cells))} | {self.planned_bytes / 2**30:.2f} | {off} |"


def roofline(footprint: Footprint, rows: int, context: float, bandwidth: float) -> float:
    """Tokens per second when a step does nothing but read the weights once, without the table of which it takes a few
    rows, and the keys and values of all rows."""
    kv = rows * context * footprint.kv_bytes(0, footprint.layers, 1)
    table = 0 if footprint.tied else footprint.embedding_bytes
    return rows * bandwidth / (footprint.weight_bytes - table + kv)


def planned(footprint: Footprint, machine: Machine, rows: int, tokens: int) -> int:
    """What a run of so many rows takes of the GPU beside what libraries take."""
    gpu = make_plan(footprint, machine, Wish(tokens=tokens, rows=rows, stages=1)).gpu
    return gpu.weights + gpu.activations + gpu.logits + rows * footprint.kv_bytes(0, footprint.layers, tokens)


def write_model(folder: Path, config: dict[str, Any], device: torch.device) -> Path:
    """Random weights, one file a layer, so that main memory never holds more; no token ends an answer."""
    make_tokenizer(folder, chat=False)
    write_config(folder, {**config, "architectures": ["LlamaForCausalLM"], "eos_token_id": None, "bos_token_id": 0})
    chosen = torch.Generator(device).manual_seed(0)
    files: dict[str, list[str]] = {}
    shapes = shapes_of(config)
    for name in shapes:
        files.setdefault(".".join(name.split(".")[:3]), []).append(name)
    weight_map = {}
    for number, names in enumerate(files.values()):
        tensors = {}
        for name in names:
            tensor = torch.ones(shapes[name], dtype=torch.bfloat16, device=device)
            # Wide enough that not every row says the same.
            tensors[name] = (tensor if tensor.dim() == 1 else tensor.normal_(0, 0.05, generator=chosen)).cpu()
            weight_map[name] = f"model-{number:05d}.safetensors"
        save_file(tensors, folder / f"model-{number:05d}.safetensors", metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def requests_of(rows: int, prompt_tokens: int, new_tokens: int, vocabulary: int) -> list[Request]:
    chosen = random.Random(rows)
    return [
        Request(record(n, "", new_tokens), "", tuple(chosen.randrange(5, vocabulary) for _ in range(prompt_tokens)))
        for n in range(rows)
    ]


def load_peer(folder: Path, dtype: str, device: torch.device) -> Any:
    keyword = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
    return AutoModelForCausalLM.from_pretrained(folder, device_map={"": device}, **{keyword: DTYPES[dtype]}).eval()


@torch.inference_mode()
def generate(peer: Any, requests: Sequence[Request], new_tokens: int) -> list[list[int]]:
    """All in one batch; they are of one length, so that nothing is padded."""
    ids = torch.tensor([request.ids for request in requests], device=peer.device)
    output = peer.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        do_sample=False,
        pad_token_id=0,
    )
    answers: list[list[int]] = output[:, ids.shape[1] :].tolist()
    return answers


def answer(engine: OwnEngine, requests: Sequence[Request]) -> Pile:
    pile = Pile(requests)
    engine.run(pile, Going())
    redone = sum(REDONE in told.notes for told in pile.answers.values())
    assert not redone, f"{redone} rows left the range of the number format: another model is needed to measure it"
    return pile


def rate(work: Callable[[int], object], rows: int, new_tokens: int, device: torch.device) -> float:
    """Tokens per second of decoding: answers of `new_tokens` without answers of one token. Once before, unmeasured."""

    def seconds(tokens: int) -> float:
        _wait(device)
        began = time.perf_counter()
        work(tokens)
        _wait(device)
        return time.perf_counter() - began

    work(2)
    first = seconds(1)
    return rows * (new_tokens - 1) / max(1e-9, seconds(new_tokens) - first)


@dataclass(frozen=True)
class Work:
    """What is asked for with each number of rows."""

    all_rows: tuple[int, ...]
    prompt_tokens: int
    new_tokens: int
    vocabulary: int

    def requests(self, rows: int, new_tokens: int) -> list[Request]:
        return requests_of(rows, self.prompt_tokens, new_tokens, self.vocabulary)


def measure_own(folder: Path, dtype: str, work: Work) -> dict[int, tuple[float, int | None]]:
    """Rows -> tokens per second and the most bytes of the GPU, None without one."""
    most = max(work.all_rows)
    engine = own_engine(folder, [record(n, "", work.new_tokens) for n in range(most)], most, dtype=dtype)
    device = engine.worker._stage.device
    found: dict[int, tuple[float, int | None]] = {}
    for rows in work.all_rows:  # the fewest first: the room of a cache stays with it
        engine._limits.rows = rows
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

        def answered(new_tokens: int, rows: int = rows) -> object:
            return answer(engine, work.requests(rows, new_tokens))

        speed = rate(answered, rows, work.new_tokens, device)
        found[rows] = speed, engine.peak_bytes() if device.type == "cuda" else None
    return found


def measure_peer(folder: Path, dtype: str, work: Work, device: torch.device) -> dict[int, float | None]:
    """Rows -> tokens per second of generate(), None where it ran out of memory."""
    peer = load_peer(folder, dtype, device)
    found: dict[int, float | None] = {}
    for rows in work.all_rows:

        def answered(new_tokens: int, rows: int = rows) -> object:
            return generate(peer, work.requests(rows, new_tokens), new_tokens)

        try:
            found[rows] = rate(answered, rows, work.new_tokens, device)
        except torch.cuda.OutOfMemoryError:
            found[rows] = None
        _free()
    return found


def measure(folder: Path, dtype: str, work: Work, device: torch.device, bandwidth: float | None) -> list[Figures]:
    """One after the other, because both models together may not fit."""
    own = measure_own(folder, dtype, work)
    _free()
    peer = measure_peer(folder, dtype, work, device)
    _free()
    footprint, context = read_footprint(folder, dtype), work.prompt_tokens + work.new_tokens / 2
    memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 32 << 30
    return [
        Figures(
            dtype,
            rows,
            own[rows][0],
            peer[rows],
            None if bandwidth is None else roofline(footprint, rows, context, bandwidth),
            own[rows][1],
            planned(footprint, Machine(1, 1, memory), rows, work.prompt_tokens + work.new_tokens),
        )
        for rows in work.all_rows
    ]


def same_in_float32(folder: Path) -> tuple[int, int]:
    """(same, all): greedy answers of the small model to ragged prompts, beside generate() on each alone."""
    lengths = [3, 50, 17, 120, 8, 77, 31, 64]
    requests = [one for n, length in enumerate(lengths) for one in requests_of(n + 1, length, 24, 400)[-1:]]
    engine = own_engine(folder, [one.record for one in requests_of(len(lengths), 1, 24, 400)], 3, dtype="float32")
    told = answer(engine, requests).answers
    peer = load_peer(folder, "float32", engine.worker._stage.device)
    expected = [engine._opened.decode(generate(peer, [one], 24)[0]) for one in requests]
    assert len(set(expected)) > len(expected) // 2, "the model says the same to everything: nothing is shown"
    said = [told[one.record.id].text for one in requests]
    return sum(one == other for one, other in zip(said, expected, strict=True)), len(expected)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _bandwidth(given: float | None) -> float | None:
    if given is not None or not torch.cuda.is_available():
        return given and given * 1e9
    card = torch.cuda.get_device_name()
    return next((found for name, found in BANDWIDTHS.items() if name in card), None)


def _dtypes() -> list[str]:
    if not torch.cuda.is_available():
        return ["float32"]
    return ["float16", *(["bfloat16"] if torch.cuda.get_device_capability() >= BFLOAT16_CAPABILITY else [])]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="8b")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 32, 128])
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument(
        "--bandwidth", type=float, metavar="GB/S", help="of the GPU's memory, where it is not known here"
    )
    chosen = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU: only a trial of the script"
    print(
        f"{name}, torch {torch.__version__}, transformers {transformers.__version__}, shape {chosen.shape}, prompts of"
    )
    print(f"{chosen.prompt_tokens} tokens, answers of {chosen.new_tokens}, random weights\n")
    with tempfile.TemporaryDirectory() as place:
        small = write_model(Path(place) / "tiny", SHAPES["tiny"], device)
        same, count = same_in_float32(small)
        print(f"Greedy answers of the small model in float32: {same} of {count} are those of generate().\n", flush=True)
        model = small
        if chosen.shape != "tiny":
            model = write_model(Path(place) / chosen.shape, SHAPES[chosen.shape], device)
        print(
            "| dtype | rows | generate tokens/s | own tokens/s | ratio | roofline | share | peak GiB | plan GiB | off |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|")
        rows = tuple(sorted(chosen.rows))
        work = Work(rows, chosen.prompt_tokens, chosen.new_tokens, SHAPES[chosen.shape]["vocab_size"])
        for dtype in _dtypes():
            for figures in measure(model, dtype, work, device, _bandwidth(chosen.bandwidth)):
                print(figures.line(), flush=True)
    return 0 if same == count else 1


if __name__ == "__main__":
    raise SystemExit(main())
