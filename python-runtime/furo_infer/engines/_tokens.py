"""Texts and tokens: chat template, tokenizer, and the limits that a model's own files state.

Knows the tokenizer's half of transformers (4.52 to 5.x); does not know weights or devices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import transformers
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from .._errors import ModelError
from .._job import Job
from .._models import find_model
from .._prompts import Conversation, PromptRefused
from .._records import Record
from .base import Request

__all__ = ["Tokens", "short"]

# An embedding may have so many rows more than the tokenizer has tokens, to be divided evenly.
SPARE_SHARE = 0.02


class Tokens:
    """The tokenizer of the job's model. `context_tokens` is None where the model states no limit."""

    def __init__(self, job: Job) -> None:
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self.folder: Path = find_model(job.model, job.revision)
        try:
            self.config: Any = AutoConfig.from_pretrained(self.folder, trust_remote_code=job.trust_remote_code)
            self.tokenizer: Any = AutoTokenizer.from_pretrained(self.folder, trust_remote_code=job.trust_remote_code)
        except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
            raise ModelError(
                "modelUnreadable",
                f"The model {job.model} in {self.folder} has no configuration or tokenizer that can be read: "
                f"{short(error)}",
            ) from error
        text_config = self.config.get_text_config()
        self.vocabulary = int(text_config.vocab_size)
        sizes = [getattr(text_config, name, None) for name in ("max_position_embeddings", "n_positions", "max_seq_len")]
        self.context_tokens: int | None = next((size for size in sizes if isinstance(size, int)), None)
        stated = self._stated_ends(text_config)
        self._refuse_foreign_tokenizer(job, stated)
        self.end_tokens = stated | _tokens_in(self.tokenizer.eos_token_id)
        pad = self.tokenizer.pad_token_id
        # Some tokenizers bring a padding token of their own, beyond what the model was made with.
        usable = pad is not None and int(pad) < self.vocabulary
        self.pad_token = int(pad) if usable else min(self.end_tokens, default=0)

    @property
    def has_chat_template(self) -> bool:
        return bool(self.tokenizer.chat_template)

    def prepare(self, record: Record) -> Request:
        """Raises PromptRefused; a prompt that is too long is refused, never cut."""
        if record.conversation is None:
            raise record.refused or PromptRefused("no_prompt", "There is no prompt.")
        text = self.render(record.conversation, record.chat_template_kwargs)
        ids = self.encode(text)
        if not ids:
            raise PromptRefused("prompt_empty", "The prompt has no tokens.")
        if max(ids) >= self.vocabulary:
            raise PromptRefused(
                "tokenizer_mismatch",
                f"The tokenizer gives token {max(ids)}, but the model knows {self.vocabulary} only. The tokenizer "
                "belongs to another model; download the model again.",
            )
        if self.context_tokens is not None and len(ids) >= self.context_tokens:
            raise PromptRefused(
                "prompt_too_long", f"The prompt has {len(ids)} tokens; the model takes {self.context_tokens}."
            )
        return Request(record, text, ids)

    def notes(self, job: Job) -> list[str]:
        """What people should know about this model and job before the answers come."""
        template = str(self.tokenizer.chat_template or "")
        if not template:
            return ["The model has no chat template (a base model?): prompts are given to it as plain text."]
        thinks = "<think>" in template or "enable_thinking" in template
        if thinks and job.chat_template_kwargs.get("enable_thinking") is not False and job.generation.temperature == 0:
            return [
                "The model thinks before it answers, and greedy decoding (temperature 0) lets that run in circles. "
                'Set a temperature such as 0.6, or "enable_thinking": false in chat_template_kwargs.'
            ]
        return []

    def limit(self, request: Request) -> int:
        """Tokens that may be generated: as many as asked, or up to the end of the context."""
        asked = request.record.generation.max_new_tokens
        return asked if self.context_tokens is None else min(asked, self.context_tokens - request.tokens)

    def render(self, conversation: Conversation, kwargs: Mapping[str, Any]) -> str:
        if not self.has_chat_template:
            return "\n\n".join(message["content"] for message in conversation.messages)
        try:
            text = self.tokenizer.apply_chat_template(
                [dict(message) for message in conversation.messages],
                tokenize=False,
                add_generation_prompt=True,
                **kwargs,
            )
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise PromptRefused(
                "chat_template_refused", f"The model's chat template refused: {short(error)}"
            ) from error
        return str(text)

    def encode(self, text: str) -> tuple[int, ...]:
        # A chat template writes the special tokens itself; adding them again would double the first one.
        ids = self.tokenizer(text, add_special_tokens=not self.has_chat_template)["input_ids"]
        return tuple(int(token) for token in ids)

    def decode(self, ids: Sequence[int]) -> str:
        text = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    def _stated_ends(self, text_config: Any) -> frozenset[int]:
        """The tokens that end an answer as the model's own files say, without its tokenizer's."""
        try:
            generation: Any = GenerationConfig.from_pretrained(self.folder)
        except (OSError, ValueError):
            generation = None
        values = [getattr(source, "eos_token_id", None) for source in (generation, text_config)]
        return frozenset().union(*map(_tokens_in, values))

    def _refuse_foreign_tokenizer(self, job: Job, ends: frozenset[int]) -> None:
        """Raises ModelError for a tokenizer that belongs to another model: every answer would be nonsense.

        It either has more tokens than the model, not counting those that were added to it, which some models are never
        given. Or it has another number of tokens, and what ends the model's answers is ordinary text to it; one of the
        two alone is seen in sound models (rows added to fill up an embedding, an end token that only the tokenizer
        knows).
        """
        count = len(self.tokenizer)
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}
        if self.tokenizer.vocab_size > self.vocabulary:
            why = f"it has {self.tokenizer.vocab_size} tokens, and the model knows {self.vocabulary}"
        elif ends and not ends & special and abs(count - self.vocabulary) > SPARE_SHARE * self.vocabulary:
            why = (
                f"it has {count} tokens where the model knows {self.vocabulary}, and token {min(ends)}, which ends the "
                "model's answers, is none of its special tokens"
            )
        else:
            return
        raise ModelError(
            "modelUnreadable",
            f"The tokenizer in {self.folder} belongs to another model than {job.model}: {why}. Nothing was asked, for "
            "every answer would be nonsense. Download the model again, or put its own tokenizer files into the folder.",
        )


def _tokens_in(value: Any) -> frozenset[int]:
    """The tokens of a setting that may be one, several or none."""
    return frozenset(value if isinstance(value, (list, tuple)) else [] if value is None else [value])


def short(error: BaseException) -> str:
    """The message of a foreign error as one line of at most 400 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 400 else text[:397] + "..."
