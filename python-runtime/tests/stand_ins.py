"""Stand-ins for vLLM and LMDeploy, which take the names that both are known to take and no others."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from furo_infer.engines._tokens import Tokens

__all__ = ["KNOWN", "Output", "StandIns"]

# From the sources of vllm 0.10.2 and 0.33.0, and of lmdeploy 0.18.0: those of their names that we use.
KNOWN = {
    "vllm LLM": {
        "model",
        "trust_remote_code",
        "dtype",
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "generation_config",
    },
    "vllm SamplingParams": {
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "stop",
        "stop_token_ids",
        "skip_special_tokens",
    },
    "lmdeploy TurbomindEngineConfig": {"dtype", "tp", "session_len", "max_batch_size"},
    "lmdeploy GenerationConfig": {
        "max_new_tokens",
        "do_sample",
        "temperature",
        "top_p",
        "top_k",
        "random_seed",
        "stop_token_ids",
        "skip_special_tokens",
    },
}


class Settings:
    """Takes the known names of one class and keeps what it was given."""

    def __init__(self, kind: str, **given: Any) -> None:
        assert set(given) <= KNOWN[kind], f"{kind} does not know {set(given) - KNOWN[kind]}"
        self.given = given


@dataclass
class Output:
    """One answer with the names of both engines."""

    text: str
    finish_reason: str
    token_ids: Sequence[int] = (5, 6, 7)
    generate_token_len: int = 3
    input_token_len: int = 0
    error_message: str | None = None

    @property
    def outputs(self) -> list[Output]:
        return [self]


class StandIns:
    """Modules in the places of both engines. `says` gives the answer to each prompt by its number in the call;
    `tokens` reads prompts as LMDeploy's own tokenizer would."""

    tokens: Tokens

    def __init__(self) -> None:
        self.loaded: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.says: dict[str, Output] = {}

    def vllm(self) -> types.ModuleType:
        stands = self

        class LLM:
            def __init__(self, **given: Any) -> None:
                stands.loaded.append(Settings("vllm LLM", **given).given)

            def generate(self, prompts: list[Any], settings: list[Settings], *, use_tqdm: bool) -> list[Output]:
                assert [set(prompt) for prompt in prompts] == [{"prompt_token_ids"}] * len(prompts)
                stands.asked += [one.given for one in settings]
                return [stands.says.get(str(n), Output("yes", "stop")) for n, _ in enumerate(prompts)]

        module = types.ModuleType("vllm")
        vars(module).update(
            LLM=LLM, __version__="0.0", SamplingParams=lambda **given: Settings("vllm SamplingParams", **given)
        )
        return module

    def lmdeploy(self) -> types.ModuleType:
        def pipeline(path: str, *, backend_config: Settings, **named: Any) -> Any:
            assert set(named) == {"log_level", "trust_remote_code"}
            self.loaded.append({"model": path, **backend_config.given})

            def infer(prompts: list[str], *, gen_config: list[Settings], do_preprocess: bool) -> list[Output]:
                assert not do_preprocess
                self.asked += [one.given for one in gen_config]
                return [
                    self.says.get(str(n), Output("yes", "stop", input_token_len=len(tokens_of(prompt))))
                    for n, prompt in enumerate(prompts)
                ]

            return infer

        def tokens_of(prompt: str) -> Sequence[int]:
            return self.tokens.encode(prompt)

        module = types.ModuleType("lmdeploy")
        vars(module).update(
            pipeline=pipeline,
            __version__="0.0",
            TurbomindEngineConfig=lambda **given: Settings("lmdeploy TurbomindEngineConfig", **given),
            GenerationConfig=lambda **given: Settings("lmdeploy GenerationConfig", **given),
        )
        return module
