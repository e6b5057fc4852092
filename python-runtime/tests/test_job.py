"""The job file: the contract's own example is read; every wrong one is refused with its own words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import CONTRACT, Place

from furo_infer._errors import UsageError
from furo_infer._job import Batch, Generation, Job, Prompt, parse_job


def test_reads_the_job_file_of_the_contract() -> None:
    assert parse_job((CONTRACT / "job.json").read_text()) == Job(
        model="smollm2-135m-instruct",
        input=Path("data/prompts.jsonl"),
        output=Path("results"),
        prompt=Prompt(system="You are a helpful assistant.", template="{{ question }}"),
        generation=Generation(max_new_tokens=64),
        batch=Batch(rows=8),
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"modle": "x"}, 'unknown key "modle"'),
        ({"generation": {"max_tokens": 3}}, 'unknown key "generation.max_tokens"'),
        (
            {"generation": {"max_new_tokens": 0}},
            '"generation.max_new_tokens" must be a whole number of at least 1, not 0',
        ),
        ({"generation": {"max_new_tokens": True}}, '"generation.max_new_tokens" must be'),
        ({"generation": {"top_p": 1.5}}, '"generation.top_p" must be a number from 0 to 1, not 1.5'),
        ({"generation": {"stop": [""]}}, '"generation.stop" must be'),
        ({"batch": {"rows": "8"}}, '"batch.rows" must be'),
        ({"batch": 8}, '"batch" must be an object'),
        ({"dtype": "int4"}, '"dtype" must be one of auto, float16, bfloat16, float32, not "int4"'),
        ({"device": "tpu"}, '"device" must be one of auto, cuda, cpu'),
        ({"model": ""}, '"model" must be a text that is not empty'),
        ({"trust_remote_code": "yes"}, '"trust_remote_code" must be true or false'),
        ({"version": 2}, '"version" is 2'),
    ],
)
def test_refuses(change: dict[str, object], said: str) -> None:
    job = json.loads((CONTRACT / "job.json").read_text())
    with pytest.raises(UsageError) as raised:
        parse_job(json.dumps(job | change))
    assert said in raised.value.message


def test_refuses_a_missing_key() -> None:
    with pytest.raises(UsageError, match='"model" is missing'):
        parse_job('{"version": 1, "input": "a", "output": "b"}')


def test_exit_code_2_names_the_unknown_key(place: Place) -> None:
    place.write_job(modle="x")
    code, _, error = place.run()
    assert code == 2
    assert error.startswith('furo_infer: error: Job file job.json: unknown key "modle"')
    assert "Traceback" not in error


def test_exit_code_2_without_a_job_file(place: Place) -> None:
    code, _, error = place.run("run", "nothing.json")
    assert code == 2
    assert "nothing.json cannot be read: No such file" in error
