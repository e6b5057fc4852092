"""A small real-architecture model with random weights, made once per test run, and ways to start a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUNTIME = Path(__file__).resolve().parent.parent
CONTRACT = RUNTIME.parent / "test" / "fixtures" / "contract"
TEXT = [
    "The quick brown fox jumps over the lazy dog and runs away from the river.",
    "Supercomputers answer many questions at once, one on each of their nodes.",
    "日本の首都は東京です。富士山は日本で一番高い山です。",
    "0 1 2 3 4 5 6 7 8 9 question answer number",
]
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTEXT_TOKENS = 512
# What the engines of the tests compute on: FURO_TEST_DEVICE=cuda on a machine with a GPU; in float32 there too, as what
# the answers are compared with.
DEVICE = os.environ.get("FURO_TEST_DEVICE", "cpu")
ON: dict[str, Any] = {"device": DEVICE} if DEVICE == "cpu" else {"device": DEVICE, "dtype": "float32"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Takes out what this machine cannot show, which is no skip: tests marked `gpu` without one, `without_gpu` with
    one, `wheels` unless FURO_WHEELS names a folder with them, `newest` on an older line of transformers."""
    import torch
    import transformers

    torch.set_num_threads(1)  # these models are too small for two, and threads without a core wait for each other
    unfit = {"without_gpu" if torch.cuda.is_available() else "gpu"}
    unfit |= set() if os.environ.get("FURO_WHEELS") else {"wheels"}
    unfit |= set() if int(transformers.__version__.split(".")[0]) >= 5 else {"newest"}
    out = [item for item in items if any(item.get_closest_marker(name) for name in unfit)]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


def make_tokenizer(folder: Path, *, chat: bool) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|end|>")
    if chat:
        fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    return fast


def make_model(folder: Path, *, chat: bool = True, ends: bool = True, family: str = "llama") -> Path:
    """`ends` False gives a model without an end token, whose answers last as long as they may."""
    import torch
    from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

    tokenizer = make_tokenizer(folder, chat=chat)
    torch.manual_seed(0)
    end = 1 if ends else None
    common: dict[str, Any] = {"vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": end}
    # The usual range of 0.02 gives nearly the same token everywhere and would hide mistakes.
    if family == "gpt2":
        config: Any = GPT2Config(
            n_embd=32, n_layer=2, n_head=4, n_positions=CONTEXT_TOKENS, initializer_range=0.2, **common
        )
    else:
        config = LlamaConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT_TOKENS,
            initializer_range=0.2,
            **common,
        )
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config.eos_token_id = end
    model.save_pretrained(folder)
    if not ends:
        path = folder / "tokenizer_config.json"
        settings = json.loads(path.read_text())
        settings["eos_token"] = None
        path.write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def endless_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("endless"), ends=False)


class Place:
    """A folder with a job file, its input and its output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "results"

    def write_input(self, lines: list[Any]) -> None:
        texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
        (self.folder / "input.jsonl").write_text("".join(text + "\n" for text in texts), encoding="utf-8")

    def write_job(self, **changes: Any) -> Path:
        """The contract's own job file with `changes`; nested objects are merged."""
        job = json.loads((CONTRACT / "job.json").read_text())
        job |= {"input": "input.jsonl", "output": "results", "backend": "echo", **ON}
        for name, value in changes.items():
            job[name] = {**job[name], **value} if isinstance(value, dict) and isinstance(job.get(name), dict) else value
        path = self.folder / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        return path

    def start(self, *arguments: str, program: str | None = None) -> subprocess.Popen[str]:
        """`furo_infer` with `arguments`; `program` is Python text that is run in its place."""
        # More threads than free cores wait for each other, and these models are too small for two.
        threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        environment = {**os.environ, **threads, "PYTHONPATH": str(RUNTIME), "HF_HUB_OFFLINE": "1"}
        start = ["-m", "furo_infer"] if program is None else ["-c", program]
        return subprocess.Popen(
            [sys.executable, *start, *(arguments or ("run", "job.json"))],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, *arguments: str, program: str | None = None) -> tuple[int, str, str]:
        process = self.start(*arguments, program=program)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def results(self) -> dict[str, dict[str, Any]]:
        lines = self.result_lines()
        by_id = {line["custom_id"]: line for line in lines}
        assert len(by_id) == len(lines), "an id has two lines"
        return by_id

    def result_lines(self) -> list[dict[str, Any]]:
        text = (self.output / "results.jsonl").read_text(encoding="utf-8")
        assert text == "" or text.endswith("\n")
        return [json.loads(line) for line in text.splitlines()]

    def events(self) -> list[dict[str, Any]]:
        text = (self.output / "progress.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def content_of(line: dict[str, Any]) -> str:
    return str(line["response"]["body"]["choices"][0]["message"]["content"])


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
