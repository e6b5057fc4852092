"""Records in: three kinds of lines, and every kind of broken one. No model, no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Place

from furo_infer._errors import InputError, UsageError
from furo_infer._job import Job, Prompt, parse_job
from furo_infer._records import Record, read_records


def read(place: Place, lines: list[Any], template: str | None = None, system: str | None = None) -> list[Record]:
    place.write_input(lines)
    job = Job("m", place.folder / "input.jsonl", place.output, prompt=Prompt(system, template))
    return read_records(job)


def messages(record: Record) -> list[tuple[str, str]]:
    assert record.conversation is not None
    return [(message["role"], message["content"]) for message in record.conversation.messages]


def test_template_over_fields(place: Place) -> None:
    lines = [{"id": "a", "q": "x"}, "", {"id": 7, "q": "日本"}, {"q": "z"}]
    records = read(place, lines, "Say {{ q }}!", "Be brief.")
    assert [record.id for record in records] == ["a", "7", "000004"]
    assert messages(records[1]) == [("system", "Be brief."), ("user", "Say 日本!")]
    assert records[1].conversation is not None
    assert records[1].conversation.shown == "Say 日本!"


def test_prompt_and_messages_without_template(place: Place) -> None:
    own = [{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "text", "text": "U"}]}]
    records = read(place, [{"prompt": "P"}, {"messages": own}], system="job")
    assert messages(records[0]) == [("system", "job"), ("user", "P")]
    assert messages(records[1]) == [("system", "S"), ("user", "U")]


def test_openai_batch_lines(place: Place) -> None:
    body = {
        "model": "gpt",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 5,
        "max_completion_tokens": 6,
        "temperature": 0.5,
        "seed": 3,
        "stop": "x",
        "n": 1,
    }
    line = {"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": body}
    [record] = read(place, [line], template="{{ not_used }}")
    wish = record.generation
    assert (record.id, wish.max_new_tokens, wish.temperature, wish.seed, wish.stop) == ("c", 6, 0.5, 3, ("x",))
    assert messages(record) == [("user", "Hi")]


@pytest.mark.parametrize(("name", "value"), [("url", "/v1/embeddings"), ("method", "GET")])
def test_a_batch_line_for_another_kind_of_request_is_refused(place: Place, name: str, value: str) -> None:
    good = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"prompt": "Hi"}}
    [record, other] = read(place, [good, {**good, "custom_id": "b", name: value}])
    assert record.refused is None
    assert other.refused is not None
    assert other.refused.code == "unsupported_request"


def test_the_form_of_an_answer_counts_in_the_request(place: Place) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    lines = [{"custom_id": "a", "body": body}, {"custom_id": "b", "body": {**body, "response_format": form}}]
    free, formed = read(place, lines)
    assert (free.response_format, formed.response_format) == (None, form)
    assert free.request_sha256 != formed.request_sha256


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"n": 2}, "unsupported_parameter"),
        ({"tools": [{}]}, "unsupported_parameter"),
        ({"response_format": {"type": "xml"}}, "response_format_invalid"),
        ({"response_format": {"type": "json_schema"}}, "response_format_invalid"),
        ({"temperature": -1}, "parameter_invalid"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages_invalid"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages_invalid"),
    ],
)
def test_what_one_batch_line_cannot_have_refuses_that_line_only(
    place: Place, change: dict[str, Any], code: str
) -> None:
    good = {"messages": [{"role": "user", "content": "Hi"}]}
    records = read(place, [{"custom_id": "a", "body": good | change}, {"custom_id": "b", "body": good}])
    assert records[0].refused is not None
    assert records[0].refused.code == code
    assert records[1].refused is None


def test_malformed_lines_are_failed_records_under_their_number(place: Place) -> None:
    lines: list[Any] = [{"prompt": str(n)} for n in range(30)]
    lines[16] = '{"prompt": "broken'
    lines[20] = "[1]"
    lines[22] = {"id": "x"}
    records = read(place, lines)
    refused = {record.id: record.refused.message for record in records if record.refused}
    assert len(records) == 30
    assert list(refused) == ["line-000017", "line-000021", "line-000023"]
    assert refused["line-000017"].startswith("Line 17 of the input cannot be used: not valid JSON: Unterminated string")
    assert "not a JSON object" in refused["line-000021"]
    assert 'there is neither "messages" nor a text "prompt"' in refused["line-000023"]
    assert {record.refused.code for record in records if record.refused} == {"line_invalid"}


def test_only_twenty_bad_lines_are_shown(place: Place) -> None:
    with pytest.raises(InputError) as raised:
        read(place, ["{"] * 25)
    assert raised.value.message.count("\n  line ") == 20
    assert "and 5 more" in raised.value.message


def test_duplicate_ids_name_both_lines(place: Place) -> None:
    with pytest.raises(InputError, match='line 3: the id "a" is already on line 1'):
        read(place, [{"id": "a", "prompt": "1"}, {"id": "b", "prompt": "2"}, {"id": "a", "prompt": "3"}])


def test_text_that_is_not_utf8(place: Place) -> None:
    (place.folder / "input.jsonl").write_bytes(b'{"prompt": "a"}\n{"prompt": "\xff"}\n')
    [good, bad] = read_records(Job("m", place.folder / "input.jsonl", place.output))
    assert good.refused is None
    assert bad.refused is not None
    assert "not UTF-8 text" in bad.refused.message


def test_byte_order_mark_is_no_error(place: Place) -> None:
    (place.folder / "input.jsonl").write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\r\n')
    assert len(read_records(Job("m", place.folder / "input.jsonl", place.output))) == 1


@pytest.mark.parametrize("lines", [[], ["", "  "]])
def test_empty_input(place: Place, lines: list[str]) -> None:
    with pytest.raises(InputError) as raised:
        read(place, lines)
    assert raised.value.reason == "inputEmpty"


def test_a_template_that_fits_no_record_stops_the_run(place: Place) -> None:
    with pytest.raises(InputError) as raised:
        read(place, [{"q": "1"}, {"q": "2"}], "{{ question }}")
    assert raised.value.reason == "templateFitsNoRecord"
    assert "'question' is undefined" in raised.value.message


def test_a_template_that_does_not_fit_one_record_refuses_that_one(place: Place) -> None:
    records = read(place, [{"q": "1"}, {"r": "2"}], "{{ q }}")
    assert records[0].refused is None
    assert records[1].refused is not None
    assert records[1].refused.code == "template_field_missing"


def test_templates_run_in_a_sandbox(place: Place) -> None:
    records = read(place, [{"q": "1"}, {"q": ""}], "{{ q.__class__.__mro__ if q else 'x' }}")
    assert records[0].refused is not None
    assert "unsafe" in records[0].refused.message


def test_invalid_template(place: Place) -> None:
    with pytest.raises(UsageError, match="not valid Jinja at its line 2"):
        read(place, [{"q": "1"}], "a\n{{ q")


def test_half_a_character_refuses_the_record(place: Place) -> None:
    records = read(place, ['{"prompt": "\\ud800"}', {"prompt": "b"}])
    assert records[0].refused is not None
    assert records[0].refused.code == "text_invalid"


def test_the_request_hash_follows_what_is_asked_and_nothing_else(place: Place) -> None:
    place.write_input([{"id": "a", "prompt": "x"}])
    base = json.loads(place.write_job(prompt={"template": None}).read_text())

    def digest(**changes: Any) -> str:
        job = parse_job(json.dumps(base | {"input": str(place.folder / "input.jsonl")} | changes))
        return read_records(job)[0].request_sha256

    same = digest()
    assert digest(batch={"rows": 1}, output="elsewhere", device="auto") == same
    changes: list[dict[str, Any]] = [
        {"model": "other"},
        {"revision": "v2"},
        {"prompt": {"system": "S"}},
        {"generation": {"seed": 1}},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ]
    assert len({same, *(digest(**change) for change in changes)}) == len(changes) + 1


def test_reading_needs_no_torch() -> None:
    program = "import sys, furo_infer._records, furo_infer._run, furo_infer.__main__; sys.exit('torch' in sys.modules)"
    runtime = Path(__file__).resolve().parent.parent
    assert subprocess.run([sys.executable, "-c", program], cwd=runtime, check=False).returncode == 0
