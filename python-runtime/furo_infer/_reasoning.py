"""Parts the thinking of a reasoning model from its answer: `<think>` ... `</think>`. Pure text; knows no model."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Reasoning", "split_reasoning"]

OPEN, CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class Reasoning:
    """`content` is the answer, `reasoning` what was thought before it (None: nothing). `truncated` says that the text
    ended within the thinking, so that there is no answer."""

    content: str
    reasoning: str | None
    truncated: bool


def split_reasoning(prompt_text: str, text: str, finish_reason: str) -> Reasoning:
    """`prompt_text` tells whether the chat template has opened the thinking itself (as DeepSeek-R1's does)."""
    opened = prompt_text.rstrip().endswith(OPEN)
    stripped = text.lstrip()
    if not opened and not stripped.startswith(OPEN):
        return Reasoning(text, None, False)
    thought = text if opened and not stripped.startswith(OPEN) else stripped.removeprefix(OPEN)
    before, close, after = thought.partition(CLOSE)
    if close:
        return Reasoning(after.lstrip("\n"), before.strip("\n"), False)
    return Reasoning("", thought.strip("\n"), finish_reason == "length")
