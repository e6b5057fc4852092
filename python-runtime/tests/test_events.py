"""Events on a clock that only moves when told: their pace, their numbers, what people see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import CONTRACT

from furo_infer._events import Counts, Events
from furo_infer._files import LineFile


class Told:
    def __init__(self, folder: Path, total: int = 100) -> None:
        self.now = 1000.0
        self.path = folder / "progress.jsonl"
        self.counts = Counts(total)
        self.events = Events(LineFile(self.path), self.counts, clock=lambda: self.now)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def contract(event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (CONTRACT / "progress.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["event"] == event]


def test_progress_has_the_keys_of_the_contract(told: Told) -> None:
    told.events.start_generating()
    told.events.progress()
    told.now += 2
    told.events.measured(peak_memory_bytes=5_000_000_000, stage_idle=[0.25, 1 / 3])
    told.events.progress()
    plain, rich = told.lines()
    measured, without = contract("progress")
    assert list(plain) == list(without)
    assert list(rich) == list(measured)
    assert (rich["peak_memory_bytes"], rich["stage_idle"]) == (5_000_000_000, [0.25, 0.333])


def test_one_event_a_second_however_often_it_is_called(told: Told) -> None:
    told.events.start_generating()
    for _ in range(1000):
        told.now += 0.01
        told.events.progress(batch_ended=True)
    assert 9 <= len(told.lines()) <= 10


def test_counts_include_what_is_being_generated(told: Told) -> None:
    told.events.start_generating()
    told.counts.tokens, told.counts.tokens_in = 50, 30
    told.now += 10
    told.events.progress(tokens_in_flight=20)
    (line,) = told.lines()
    assert (line["tokens"], line["tokens_in"], line["tokens_per_second"], line["eta_seconds"]) == (70, 30, 7.0, None)


def test_the_time_left_counts_only_what_this_run_did(told: Told) -> None:
    told.counts.done = 60
    told.events.start_generating()
    told.now += 20
    told.counts.done, told.counts.failed = 69, 1
    told.events.progress(batch_ended=True)
    told.now += 5
    told.events.progress()
    assert [line["eta_seconds"] for line in told.lines()] == [60, 55]


def test_the_rate_follows_a_change_within_minutes_and_the_mean_does_not_jump(told: Told) -> None:
    told.events.start_generating()
    for second in range(1200):
        told.now += 1
        told.counts.tokens += 10 if second < 600 else 100
        told.events.progress()
    rates = [line["tokens_per_second"] for line in told.lines()]
    assert rates[598] == 10
    assert 60 < rates[660] < 80
    assert rates[-1] == 100
    assert told.events.tokens_per_second() == 55


def test_tokens_that_are_given_back_make_no_negative_rate(told: Told) -> None:
    """Out of memory: rows are put back and begin anew."""
    told.events.start_generating()
    told.now += 1
    told.events.progress(tokens_in_flight=500)
    told.now += 1
    told.events.progress(tokens_in_flight=0)
    assert told.lines()[-1]["tokens_per_second"] > 0


def test_people_see_a_line_every_15_seconds(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told.events.start_generating()
    for _ in range(60):
        told.now += 1
        told.counts.done += 1
        told.counts.tokens += 7
        told.events.progress(batch_ended=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "15/100 records, 0 failed, 7 tokens/s, about 1 min left",
        "30/100 records, 0 failed, 7 tokens/s, about 1 min left",
        "45/100 records, 0 failed, 7 tokens/s, about 55 s left",
        "60/100 records, 0 failed, 7 tokens/s, about 40 s left",
    ]


def test_japanese_is_written_as_it_is(told: Told) -> None:
    told.events.emit("record_failed", id="問一", code="x", message="長すぎます")
    assert '"id":"問一"' in told.path.read_text(encoding="utf-8")
