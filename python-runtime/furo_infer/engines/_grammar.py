"""Answers in a given form: JSON, or JSON of a given schema, by forbidding every token that would break it.

The grammar is llguidance's (MIT licence, 8 MB, optional). Knows OpenAI's response_format and one row of scores; does
not know batches: only the scores of its own row are changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy
import torch

from .._prompts import PromptRefused
from ._tokens import Tokens, short

__all__ = ["Grammar", "JsonMatcher"]


class Grammar:
    """Makes the matchers for one tokenizer. llguidance is imported when the first is asked for."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._tokenizer: Any = None

    def matcher(self, response_format: Mapping[str, Any] | None) -> JsonMatcher | None:
        """None for plain text. Raises PromptRefused when the format cannot be kept."""
        if response_format is None:
            return None
        library = self._library()
        if response_format["type"] == "json_object":
            schema: Any = {"type": "object"}
        else:
            schema = response_format["json_schema"]["schema"]
        # Without a bound on white space a model may write nothing but blanks until its limit.
        options = {"whitespace_flexible": False}
        try:
            grammar = library.LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=options)
        except ValueError as error:
            raise _invalid(short(error)) from error
        wrong = library.LLMatcher.validate_grammar(grammar, self._tokenizer)
        if wrong:
            raise _invalid(" ".join(wrong.split())[:300])
        matcher = library.LLMatcher(self._tokenizer, grammar)
        return JsonMatcher(matcher, self._tokens.vocabulary, self._tokens.end_tokens, self._end)

    @property
    def _end(self) -> int:
        """The one end token that the grammar knows: llguidance 1.6 takes no more than one."""
        usual, ends = self._tokens.tokenizer.eos_token_id, self._tokens.end_tokens
        return int(usual) if usual in ends else min(ends)

    def _library(self) -> Any:
        try:
            import llguidance
            import llguidance.hf
        except ImportError as error:
            raise PromptRefused(
                "response_format_unavailable",
                'The record asks for JSON, but the package llguidance is not installed. Run "pip install llguidance" '
                "in the environment of the job, or leave response_format out.",
            ) from error
        if not self._tokens.end_tokens:
            raise PromptRefused(
                "response_format_unavailable",
                "The record asks for JSON, but the model has no end token, so that no answer of it ever ends.",
            )
        if self._tokenizer is None:
            try:
                self._tokenizer = llguidance.hf.from_tokenizer(
                    self._tokens.tokenizer, n_vocab=self._tokens.vocabulary, eos_token=self._end
                )
            except ValueError as error:
                raise PromptRefused(
                    "response_format_unavailable", f"This model's tokenizer cannot be used for JSON: {short(error)}"
                ) from error
        return llguidance


class JsonMatcher:
    """The state of one row: what may come next after what has come."""

    def __init__(self, matcher: Any, vocabulary: int, end_tokens: frozenset[int], end: int) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._ends = sorted(end_tokens)
        self._end = end

    def mask(self, logits: torch.Tensor) -> None:
        """Sets the scores (vocabulary,) of all tokens that may not come next to minus infinity, in place."""
        if self._matcher.is_stopped():  # the form is complete: all that may come is the end
            ends = logits[self._ends].clone()
            logits.fill_(float("-inf"))
            logits[self._ends] = ends
            return
        bits = numpy.frombuffer(self._matcher.compute_bitmask(), dtype=numpy.uint8)
        allowed = numpy.unpackbits(bits, bitorder="little")[: self._vocabulary].astype(bool)
        allowed[self._ends] = allowed[self._end]  # where the answer may end, any of the end tokens may end it
        logits.masked_fill_(torch.from_numpy(~allowed).to(logits.device), float("-inf"))

    def accept(self, token: int) -> None:
        if token not in self._ends and not self._matcher.is_stopped():
            self._matcher.consume_token(token)


def _invalid(why: str) -> PromptRefused:
    return PromptRefused("response_format_invalid", f"The JSON schema of the record cannot be used: {why}")
