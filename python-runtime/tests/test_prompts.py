"""A record's fields into a prompt: a function of the project, and what a template may not do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from furo_infer._errors import UsageError
from furo_infer._job import Job, Prompt
from furo_infer._prompts import PromptRefused, compile_template
from furo_infer._records import Record, read_records

SOURCE = """
def ask(fields):
    return "Summarise: " + fields["body_text"].strip()

def chat(fields):
    return [{"role": "system", "content": "Be short."}, {"role": "user", "content": fields["body_text"]}]

def wrong(fields):
    return 7

not_a_function = 1
"""


def read(folder: Path, function: str, lines: list[dict[str, Any]], source: str = SOURCE) -> list[Record]:
    (folder / "build.py").write_text(source)
    (folder / "input.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    prompt = Prompt(function=function.replace("build.py", str(folder / "build.py")))
    return read_records(Job("m", folder / "input.jsonl", folder / "o", prompt=prompt))


def test_a_function_gives_text_or_messages(tmp_path: Path) -> None:
    [text] = read(tmp_path, "build.py:ask", [{"body_text": " 東京 "}])
    assert text.conversation is not None
    assert text.conversation.messages == ({"role": "user", "content": "Summarise: 東京"},)
    [chat] = read(tmp_path, "build.py:chat", [{"body_text": "a"}])
    assert chat.conversation is not None
    assert [message["role"] for message in chat.conversation.messages] == ["system", "user"]


def test_a_changed_function_is_another_request(tmp_path: Path) -> None:
    [before] = read(tmp_path, "build.py:ask", [{"body_text": "a"}])
    [after] = read(tmp_path, "build.py:ask", [{"body_text": "a"}], SOURCE.replace("Summarise", "Translate"))
    assert before.request_sha256 != after.request_sha256


def test_what_it_raises_is_the_records_failure_with_its_line(tmp_path: Path) -> None:
    good, bad = read(tmp_path, "build.py:ask", [{"body_text": "a"}, {"other": "b"}])
    assert good.refused is None
    assert bad.refused is not None
    assert bad.refused.code == "function_failed"
    assert "KeyError: 'body_text' at" in bad.refused.message
    assert "build.py, line 3" in bad.refused.message


def test_a_wrong_return_is_said(tmp_path: Path) -> None:
    [record] = read(tmp_path, "build.py:wrong", [{"body_text": "a"}])
    assert record.refused is not None
    assert "returned int; it must return a text or a list of messages" in record.refused.message


@pytest.mark.parametrize(
    ("function", "source", "said"),
    [
        ("build.py", SOURCE, 'write it as "file.py:function"'),
        ("none.py:ask", SOURCE, "names none.py, which is not there"),
        ("build.py:missing", SOURCE, "has no function missing"),
        ("build.py:not_a_function", SOURCE, "has no function not_a_function"),
        ("build.py:ask", "def ask(:", "cannot be loaded: SyntaxError"),
        ("build.py:ask", "import no_such_module", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_function_that_is_not_there(tmp_path: Path, function: str, source: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(tmp_path, function, [{"body_text": "a"}], source)


def test_function_and_template_together(tmp_path: Path) -> None:
    job = Job("m", tmp_path / "i", tmp_path / "o", prompt=Prompt(template="{{ a }}", function="build.py:ask"))
    with pytest.raises(UsageError, match="remove one of them"):
        read_records(job)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ a|attr('__class__') }}",
        "{{ '{0.__class__}'.format(a) }}",
        "{% for n in range(99999999) %}x{% endfor %}",
        "{{ a.append(1) }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(template: str) -> None:
    render = compile_template(template)
    with pytest.raises(PromptRefused):
        render({"a": [1]})
