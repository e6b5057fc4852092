"""The optional back end vLLM, through its documented offline interface: `LLM(...)` and `LLM.generate`.

Its names were checked against the sources of vLLM 0.10.2 and 0.33.0; it has never been run from here. On a V100,
0.11.0 was reported to fail (vllm issue 27729), and 0.10.2 is the one to try.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .._errors import ModelError
from .._results import Answer
from ._foreign import ForeignEngine, import_engine, seed_of
from ._rows import failed
from ._tokens import Tokens, short
from .base import Loaded, Request

__all__ = ["VllmEngine", "engine_arguments", "sampling_arguments"]

HINT = (
    "Install it into an environment of its own: pip install vllm. Newer releases leave out old GPUs; for a V100, "
    'pip install "vllm==0.10.2" is the one to try.'
)
# vLLM wants top_p above 0; one token is left by either.
LEAST_TOP_P = 1e-6


class VllmEngine(ForeignEngine):
    """One vLLM over the GPUs of a node; it batches by itself."""

    name = "vllm"

    def load(self) -> Loaded:
        vllm = import_engine("vllm", HINT)
        arguments = engine_arguments(
            self._job.dtype, self._opened, self._tensor_parallel(), self._job.layout.stages or 1
        )
        try:
            self._llm = vllm.LLM(**arguments, trust_remote_code=self._job.trust_remote_code)
        except (RuntimeError, ValueError, OSError, AssertionError, TypeError, KeyError, ImportError) as error:
            raise ModelError("modelUnreadable", f"vLLM cannot load {self._job.model}: {short(error)}") from error
        self._sampling = vllm.SamplingParams
        tensor, stages = arguments["tensor_parallel_size"], arguments["pipeline_parallel_size"]
        return Loaded(
            f"vllm on {tensor * stages} GPUs", self._job.dtype, (f"vLLM {vllm.__version__}.",), f"1x{stages}x{tensor}"
        )

    def _answer(self, batch: Sequence[Request]) -> list[Answer]:
        started = time.monotonic()
        outputs = self._llm.generate(
            [{"prompt_token_ids": list(request.ids)} for request in batch],
            [self._sampling(**sampling_arguments(request, self._opened)) for request in batch],
            use_tqdm=False,
        )
        seconds = time.monotonic() - started
        return [self._of(request, output.outputs[0], seconds) for request, output in zip(batch, outputs, strict=True)]

    def _of(self, request: Request, output: Any, seconds: float) -> Answer:
        if output.finish_reason not in ("stop", "length"):
            return failed(request, "generation_failed", f"vLLM ended this record with {output.finish_reason}.")
        return self._finished(request, output.text, output.finish_reason, len(output.token_ids), seconds)


def engine_arguments(dtype: str, tokens: Tokens, tensor_parallel: int, stages: int) -> dict[str, Any]:
    """What `LLM` takes. Its "auto" falls back to float16 where the GPU has no bfloat16."""
    return {
        "model": str(tokens.folder),
        "dtype": dtype,
        "tensor_parallel_size": tensor_parallel,
        "pipeline_parallel_size": stages,
        "generation_config": "vllm",  # what the job file says is all that counts
    }


def sampling_arguments(request: Request, tokens: Tokens) -> dict[str, Any]:
    """What `SamplingParams` takes for one record."""
    wish = request.record.generation
    return {
        "max_tokens": tokens.limit(request),
        "temperature": wish.temperature,
        "top_p": max(wish.top_p, LEAST_TOP_P),
        "top_k": wish.top_k or -1,
        "seed": seed_of(request) if wish.temperature > 0 else None,
        "stop": list(wish.stop),
        "stop_token_ids": sorted(tokens.end_tokens),
        "skip_special_tokens": True,
    }
