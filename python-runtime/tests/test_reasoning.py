"""Thinking parted from the answer: pure text."""

from __future__ import annotations

import pytest

from furo_infer._reasoning import Reasoning, split_reasoning


@pytest.mark.parametrize(
    ("prompt", "text", "finish", "expected"),
    [
        ("Q", "4", "stop", Reasoning("4", None, False)),
        ("Q", "Write <think> and </think>.", "stop", Reasoning("Write <think> and </think>.", None, False)),
        ("Q", "<think>\n2 + 2\n</think>\n\n4", "stop", Reasoning("4", "2 + 2", False)),
        ("Q", "\n<think>2 + 2", "length", Reasoning("", "2 + 2", True)),
        ("Q<think>\n", "2 + 2\n</think>\n4", "length", Reasoning("4", "2 + 2", False)),
        ("Q<think>\n", "2 + 2", "length", Reasoning("", "2 + 2", True)),
        ("Q<think>\n\n</think>\n\n", "4", "stop", Reasoning("4", None, False)),
        ("What is <think>?", "4", "stop", Reasoning("4", None, False)),
    ],
)
def test_thinking_is_parted_from_the_answer(prompt: str, text: str, finish: str, expected: Reasoning) -> None:
    assert split_reasoning(prompt, text, finish) == expected
