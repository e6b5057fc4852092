"""One process, one device: a Hugging Face causal language model in plain batches, padded on the left.

Knows torch and transformers (4.52 to 5.x); does not know files of records, events or signals.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from .._errors import DeviceError, ModelError
from .._job import Job
from .._models import find_model
from .._prompts import Conversation, PromptRefused
from .._records import Record
from .._results import Answer
from ._steps import Ending, Sampler, Stopper
from .base import Loaded, Request, Watch

__all__ = ["SingleEngine"]

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
# bfloat16 arithmetic begins with compute capability 8.0; a V100 (7.0) only emulates it, slowly.
BFLOAT16_CAPABILITY = (8, 0)


class SingleEngine:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._tokenizer: Any = None
        self._model: Any = None
        self._device = torch.device("cpu")
        self._context_tokens: int | None = None
        self._end_tokens: frozenset[int] = frozenset()
        self._pad_token = 0
        self._rows_that_fit = job.batch.rows

    def load(self) -> Loaded:
        job = self._job
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self._device = _choose_device(job.device)
        folder = str(find_model(job.model, job.revision))
        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=job.trust_remote_code)
            self._tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=job.trust_remote_code)
            dtype = _choose_dtype(job.dtype, self._device, config)
            self._model = _load_weights(folder, dtype, job).to(self._device).eval()
        except torch.cuda.OutOfMemoryError as error:
            raise ModelError(
                "modelTooLarge",
                f"The model {job.model} does not fit into the memory of one GPU ({error}). "
                "Choose a smaller model or a GPU with more memory.",
            ) from error
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, SafetensorError) as error:
            raise ModelError(
                "modelUnreadable", f"The model {job.model} in {folder} cannot be loaded: {_short(error)}"
            ) from error
        self._read_limits(config)
        return Loaded(_device_name(self._device), str(dtype).removeprefix("torch."), tuple(self._notes(dtype)))

    def prepare(self, record: Record) -> Request:
        if record.conversation is None:
            raise record.refused or PromptRefused("no_prompt", "There is no prompt.")
        text = self._render(record.conversation, record.chat_template_kwargs)
        tokens = len(self._encode(text))
        if tokens == 0:
            raise PromptRefused("prompt_empty", "The prompt has no tokens.")
        if self._context_tokens is not None and tokens >= self._context_tokens:
            raise PromptRefused(
                "prompt_too_long", f"The prompt has {tokens} tokens; the model takes {self._context_tokens}."
            )
        return Request(record, text, tokens)

    def answer(self, batch: Sequence[Request], watch: Watch) -> list[Answer | None]:
        answers: list[Answer | None] = []
        while len(answers) < len(batch):
            part = batch[len(answers) : len(answers) + self._rows_that_fit]
            try:
                answers.extend(self._generate(part, watch))
                continue
            except torch.cuda.OutOfMemoryError as error:
                code, why = "out_of_memory", _short(error)
            except (RuntimeError, ValueError, IndexError) as error:
                if "CUDA error" in str(error):
                    raise DeviceError("deviceFailed", f"The GPU failed: {_short(error)} Run the job again.") from error
                code, why = "generation_failed", _short(error)
            # One row alone decides whose fault it was; the traceback that holds the tensors is gone by now.
            if len(part) == 1:
                answers.append(_failed(part[0], code, why))
            elif code == "out_of_memory":
                self._rows_that_fit = max(1, len(part) // 2)
            else:
                answers.extend(self._one_by_one(part, watch))
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
        return answers

    def _one_by_one(self, part: Sequence[Request], watch: Watch) -> list[Answer | None]:
        return [answer for request in part for answer in self.answer([request], watch)]

    @torch.inference_mode()
    def _generate(self, part: Sequence[Request], watch: Watch) -> list[Answer | None]:
        started = time.monotonic()
        rows = [self._encode(request.text) for request in part]
        width = max(len(row) for row in rows)
        tokens = torch.full((len(rows), width), self._pad_token, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for index, row in enumerate(rows):  # padding on the left: the last column is every row's last token
            tokens[index, width - len(row) :] = torch.tensor(row)
            mask[index, width - len(row) :] = 1
        limits = [self._limit(request, len(row)) for request, row in zip(part, rows, strict=True)]
        stops = [request.record.generation.stop for request in part]
        sampler = Sampler([(request.record.id, request.record.generation) for request in part], self._device)
        stopper = Stopper(limits, self._end_tokens, stops, self._decode, width, watch)
        output = self._model.generate(
            input_ids=tokens.to(self._device),
            attention_mask=mask.to(self._device),
            generation_config=self._generation_config(max(limits)),
            logits_processor=transformers.LogitsProcessorList([sampler]),
            stopping_criteria=transformers.StoppingCriteriaList([stopper]),
        )
        generated: list[list[int]] = output[:, width:].tolist()
        broken = sampler.broken_rows()
        seconds = time.monotonic() - started
        return [
            self._finish(request, generated[index], stopper.endings[index], index in broken, seconds)
            for index, request in enumerate(part)
        ]

    def _finish(
        self, request: Request, tokens: list[int], ending: Ending | None, broken: bool, seconds: float
    ) -> Answer | None:
        if broken:
            return _failed(
                request,
                "not_finite",
                "The model computed numbers that are not finite; its dtype is too narrow for it. Set dtype to float32.",
            )
        if ending is None:
            return None
        said = [token for token in tokens[: ending.tokens] if token not in self._end_tokens]
        text = self._decode(said)
        cuts = [text.find(stop) for stop in request.record.generation.stop if stop in text]
        return Answer(
            text=text[: min(cuts)] if cuts else text,
            finish_reason="stop" if cuts else ending.reason,
            error=None,
            prompt_text=request.text,
            prompt_tokens=request.tokens,
            completion_tokens=ending.tokens,
            seconds=seconds,
        )

    def _render(self, conversation: Conversation, kwargs: Mapping[str, Any]) -> str:
        if not self._tokenizer.chat_template:
            return "\n\n".join(message["content"] for message in conversation.messages)
        try:
            text = self._tokenizer.apply_chat_template(
                [dict(message) for message in conversation.messages],
                tokenize=False,
                add_generation_prompt=True,
                **kwargs,
            )
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise PromptRefused(
                "chat_template_refused", f"The model's chat template refused: {_short(error)}"
            ) from error
        return str(text)

    def _encode(self, text: str) -> list[int]:
        # A chat template writes the special tokens itself; adding them again would double the first one.
        ids = self._tokenizer(text, add_special_tokens=not self._tokenizer.chat_template)["input_ids"]
        return [int(token) for token in ids]

    def _decode(self, tokens: Sequence[int]) -> str:
        text = self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    def _limit(self, request: Request, prompt_tokens: int) -> int:
        asked = request.record.generation.max_new_tokens
        return asked if self._context_tokens is None else min(asked, self._context_tokens - prompt_tokens)

    def _generation_config(self, max_new_tokens: int) -> GenerationConfig:
        # Greedy by name: Sampler has chosen already where a record wants sampling.
        return GenerationConfig(
            do_sample=False,
            max_new_tokens=max_new_tokens,
            eos_token_id=sorted(self._end_tokens) or None,
            pad_token_id=self._pad_token,
            use_cache=True,
        )

    def _read_limits(self, config: Any) -> None:
        text_config = config.get_text_config()
        sizes = [getattr(text_config, name, None) for name in ("max_position_embeddings", "n_positions", "max_seq_len")]
        self._context_tokens = next((size for size in sizes if isinstance(size, int)), None)
        ends: set[int] = set()
        for source in (self._model.generation_config, text_config, self._tokenizer):
            value = getattr(source, "eos_token_id", None)
            ends.update(value if isinstance(value, (list, tuple)) else [] if value is None else [value])
        self._end_tokens = frozenset(ends)
        pad = self._tokenizer.pad_token_id
        self._pad_token = pad if pad is not None else min(ends, default=0)
        # What the job file says is all that counts: generate() would else take the rest from the model's own file.
        self._model.generation_config = GenerationConfig()

    def _notes(self, dtype: torch.dtype) -> list[str]:
        notes = []
        if not self._tokenizer.chat_template:
            notes.append("The model has no chat template (a base model?): prompts are given to it as plain text.")
        if self._device.type == "cpu":
            notes.append("No GPU is used: this runs on the CPU.")
        elif dtype == torch.bfloat16 and torch.cuda.get_device_capability(self._device) < BFLOAT16_CAPABILITY:
            notes.append("This GPU only emulates bfloat16; float16 would be much faster.")
        return notes


def _load_weights(folder: str, dtype: torch.dtype, job: Job) -> Any:
    keyword = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, trust_remote_code=job.trust_remote_code, output_loading_info=True, **{keyword: dtype}
    )
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(f"its files lack {len(missing)} weights, such as {missing[0]}; is the download complete?")
    return model


def _choose_device(asked: str) -> torch.device:
    """Raises DeviceError when there is no GPU though one is asked for, or one that this torch cannot use."""
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        why = "no CUDA device is visible" if torch.version.cuda else "this torch is built without CUDA"
        raise DeviceError(
            "cudaAbsent",
            f'The job asks for a GPU ("device": "cuda"), but {why} (torch {torch.__version__}). '
            "Check the resource group, the modules and the environment of the job.",
        )
    device = torch.device("cuda", 0)
    try:
        (torch.ones(2, device=device) + 1).sum().item()
    except RuntimeError as error:
        raise DeviceError(
            "deviceUnusable",
            f"torch {torch.__version__} cannot compute on {torch.cuda.get_device_name(device)}: {_short(error)} "
            "Install a torch that has kernels for this GPU.",
        ) from error
    return device


def _choose_dtype(asked: str, device: torch.device, config: Any) -> torch.dtype:
    if asked != "auto":
        return DTYPES[asked]
    if device.type == "cpu":
        return torch.float32
    wide = torch.cuda.get_device_capability(device) >= BFLOAT16_CAPABILITY
    saved = str(getattr(config, "dtype", None) or getattr(config, "torch_dtype", None))
    return torch.bfloat16 if wide and saved.endswith("bfloat16") else torch.float16


def _device_name(device: torch.device) -> str:
    return "cpu" if device.type == "cpu" else f"cuda ({torch.cuda.get_device_name(device)})"


def _failed(request: Request, code: str, message: str) -> Answer:
    return Answer(None, "error", (code, message), request.text, request.tokens, 0, 0.0)


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 400 else text[:397] + "..."
