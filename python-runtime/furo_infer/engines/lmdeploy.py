"""The optional back end LMDeploy (TurboMind), through its documented offline interface: `pipeline(...)`.

Its names were checked against the sources of LMDeploy 0.18.0; it has never been run from here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .._errors import ModelError, UsageError
from .._results import Answer
from ._foreign import ForeignEngine, import_engine, seed_of
from ._rows import failed
from ._tokens import Tokens, short
from .base import Loaded, Request

__all__ = ["LmdeployEngine", "engine_arguments", "generation_arguments"]

HINT = "Install it into an environment of its own: pip install lmdeploy."
MOST_TEMPERATURE = 2.0
TOKENS_DIFFER = "prompt_tokens_differ"


class LmdeployEngine(ForeignEngine):
    """One TurboMind pipeline over the GPUs of a node; it batches by itself."""

    name = "lmdeploy"

    def load(self) -> Loaded:
        job = self._job
        if job.dtype == "float32" or (job.layout.stages or 1) > 1:
            raise UsageError(
                "layoutImpossible",
                "LMDeploy computes in float16 or bfloat16 and has no pipeline stages. Leave dtype float32 and "
                "layout.stages out of the job file, or choose another back end.",
            )
        lmdeploy = import_engine("lmdeploy", HINT)
        arguments = engine_arguments(job.dtype, self._opened, self._tensor_parallel(), job.batch.rows)
        try:
            self._pipeline = lmdeploy.pipeline(
                str(self._opened.folder),
                backend_config=lmdeploy.TurbomindEngineConfig(**arguments),
                log_level="ERROR",
                trust_remote_code=job.trust_remote_code,
            )
        except (RuntimeError, ValueError, OSError, AssertionError, TypeError, KeyError, ImportError) as error:
            raise ModelError("modelUnreadable", f"LMDeploy cannot load {job.model}: {short(error)}") from error
        self._configuration = lmdeploy.GenerationConfig
        notes = (
            f"LMDeploy {lmdeploy.__version__}: stop texts are cut off after the answer, not while it is generated.",
        )
        return Loaded(f"lmdeploy on {arguments['tp']} GPUs", job.dtype, notes, f"1x1x{arguments['tp']}")

    def _answer(self, batch: Sequence[Request]) -> list[Answer]:
        started = time.monotonic()
        asked = [request for request in batch if request.record.generation.temperature <= MOST_TEMPERATURE]
        responses = self._pipeline(
            [request.text for request in asked],
            gen_config=[self._configuration(**generation_arguments(request, self._opened)) for request in asked],
            do_preprocess=False,  # the chat template has been applied already
        )
        seconds = time.monotonic() - started
        answers = {id(one): self._of(one, response, seconds) for one, response in zip(asked, responses, strict=True)}
        too_hot = f"LMDeploy takes a temperature of at most {MOST_TEMPERATURE:g}."
        return [answers.get(id(one)) or failed(one, "parameter_unsupported", too_hot) for one in batch]

    def _of(self, request: Request, response: Any, seconds: float) -> Answer:
        if response.finish_reason not in ("stop", "length"):
            why = getattr(response, "error_message", None) or response.finish_reason
            return failed(request, "generation_failed", f"LMDeploy ended this record: {why}.")
        if response.input_token_len != request.tokens:
            return failed(
                request,
                TOKENS_DIFFER,
                f"LMDeploy read the prompt as {response.input_token_len} tokens, the model's tokenizer gives "
                f"{request.tokens}. Choose another back end for this model.",
            )
        return self._finished(request, response.text, response.finish_reason, response.generate_token_len, seconds)


def engine_arguments(dtype: str, tokens: Tokens, tensor_parallel: int, rows: int | None) -> dict[str, Any]:
    """What `TurbomindEngineConfig` takes; it refuses None. Its "auto" is float16 where the GPU has no bfloat16."""
    arguments = {"dtype": dtype, "tp": tensor_parallel, "session_len": tokens.context_tokens, "max_batch_size": rows}
    return {name: value for name, value in arguments.items() if value is not None}


def generation_arguments(request: Request, tokens: Tokens) -> dict[str, Any]:
    """What `GenerationConfig` takes for one record. Stop texts stay out: it knows those of one token only."""
    wish = request.record.generation
    return {
        "max_new_tokens": tokens.limit(request),
        "do_sample": wish.temperature > 0,
        "temperature": wish.temperature,
        "top_p": wish.top_p,
        "top_k": wish.top_k if wish.top_p > 0 else 1,
        "random_seed": seed_of(request),
        "stop_token_ids": sorted(tokens.end_tokens),
        "skip_special_tokens": True,
    }
