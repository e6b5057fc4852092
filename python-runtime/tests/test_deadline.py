"""When admission ends: with clocks that only move when told, and once with a real run."""

from __future__ import annotations

import pytest

from furo_infer._deadline import MARGIN_SECONDS, START_UP_SECONDS, Deadline
from furo_infer._errors import UsageError


class Clock:
    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def deadline_of(elapse: float | None, environment: dict[str, str], clock: Clock, wall: float = 0.0) -> Deadline:
    return Deadline.of(elapse, environment, wall_clock=lambda: wall, clock=clock)


def test_without_a_limit_everything_is_admitted() -> None:
    clock = Clock()
    deadline = deadline_of(None, {"FURO_JOB_STARTED": "5"}, clock)
    clock.now = 1e9
    assert deadline.remaining is None
    assert deadline.may_admit(1e9)
    assert not deadline.closed
    assert not deadline.must_leave


def test_the_limit_counts_from_the_start_of_the_job() -> None:
    """The program began 90 s after the job did."""
    clock = Clock(1234.0)
    environment = {"FURO_JOB_STARTED": "1000000", "FURO_ELAPSE_SECONDS": "3600"}
    deadline = deadline_of(None, environment, clock, wall=1_000_090.0)
    assert deadline.remaining == 3510
    clock.now += 3510 - MARGIN_SECONDS
    assert deadline.may_admit()
    assert not deadline.must_leave
    clock.now += 0.001
    assert not deadline.may_admit()
    assert deadline.must_leave


def test_the_limit_of_this_very_job_overrules_the_job_file() -> None:
    clock = Clock()
    started = {"FURO_JOB_STARTED": "0"}
    assert deadline_of(100.0, started, clock).remaining == 100
    assert deadline_of(100.0, started | {"FURO_ELAPSE_SECONDS": "700"}, clock).remaining == 700
    assert deadline_of(100.0, started | {"FURO_ELAPSE_SECONDS": "unlimited"}, clock).remaining == 100


def test_an_unknown_start_is_taken_to_be_as_early_as_it_was_on_furo() -> None:
    assert deadline_of(7200.0, {}, Clock()).remaining == 7200 - START_UP_SECONDS
    assert deadline_of(60.0, {}, Clock()).remaining == 54


def test_a_clock_that_is_set_back_adds_no_time() -> None:
    environment = {"FURO_JOB_STARTED": "5000"}
    assert deadline_of(600.0, environment, Clock(), wall=4000.0).remaining == 600


def test_a_short_limit_is_not_eaten_up_by_the_margin() -> None:
    clock = Clock()
    deadline = deadline_of(20.0, {"FURO_JOB_STARTED": "0"}, clock)
    assert deadline.margin_seconds == 2
    clock.now = 17.9
    assert deadline.may_admit()


def test_admission_ends_when_a_usual_record_would_not_end_in_time() -> None:
    clock = Clock()
    deadline = Deadline(1000.0, margin_seconds=30.0, clock=clock)
    for number in range(100):
        deadline.learn(float(number + 1))
    assert deadline.record_seconds == 96
    clock.now = 1000 - 30 - 96
    assert deadline.may_admit()
    clock.now += 0.5
    assert not deadline.may_admit()
    assert deadline.closed
    assert not deadline.must_leave


def test_admission_that_ended_stays_ended() -> None:
    """Short records that end afterwards lower the percentile, which must not start a new one."""
    clock = Clock()
    deadline = Deadline(100.0, margin_seconds=10.0, clock=clock)
    deadline.learn(50.0)
    clock.now = 45.0
    assert not deadline.may_admit()
    for _ in range(2000):
        deadline.learn(0.1)
    assert deadline.record_seconds == 0.1
    assert not deadline.may_admit()


def test_a_record_that_is_known_to_be_long_is_not_admitted_but_a_short_one_is() -> None:
    deadline = Deadline(100.0, margin_seconds=10.0, clock=Clock())
    deadline.learn(5.0)
    assert not deadline.may_admit(expected_seconds=91.0)
    assert deadline.may_admit(expected_seconds=89.0)
    assert not deadline.closed


def test_old_times_are_forgotten() -> None:
    deadline = Deadline(1e6, clock=Clock())
    for _ in range(1000):
        deadline.learn(500.0)
    for _ in range(1000):
        deadline.learn(2.0)
    assert deadline.record_seconds == 2
    assert len(deadline._sorted) == 1000


@pytest.mark.parametrize("text", ["1:00:00", "nan", "inf", "-5", "soon"])
def test_a_variable_that_is_no_number_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"FURO_ELAPSE_SECONDS is .* no number of seconds") as caught:
        Deadline.of(None, {"FURO_ELAPSE_SECONDS": text})
    assert caught.value.reason == "deadlineInvalid"
