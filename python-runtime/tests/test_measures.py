"""What the processes of a run measure: how it is brought together, and told by the processes to rank 0."""

from __future__ import annotations

import time

import pytest
import torch
import torch.distributed as dist
from conftest import wait_for

from furo_infer import _replicas
from furo_infer._measures import Measures, highest_peak, stage_idle
from furo_infer._replicas import Single, StoreShared
from furo_infer.engines._busy import Busy


def test_the_fullest_process_and_the_mean_of_each_stage() -> None:
    told = [Measures(5, 0, 0.25), Measures(9, 1, 0.5), Measures(7, 0, 0.75), Measures(1, 1, 0.5)]
    assert highest_peak(told) == 9
    assert stage_idle(told) == [0.5, 0.5]


@pytest.mark.parametrize("told", [[], [Measures(5)], [Measures(5, 0, 0.5)], [Measures(5, 0, 0.5), Measures(5, 2, 0.5)]])
def test_no_shares_without_stages_or_before_all_have_told(told: list[Measures]) -> None:
    assert stage_idle(told) is None


def test_an_engine_without_memory_has_no_peak() -> None:
    alone = Single()
    assert highest_peak(alone.measures()) is None
    alone.measure_with(lambda: Measures(0))
    assert highest_peak(alone.measures()) is None


def test_rank_0_learns_the_measures_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_replicas, "BEAT_SECONDS", 0.02)
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    first = StoreShared(store, 0, 2)
    second = StoreShared(dist.TCPStore("127.0.0.1", store.port, is_master=False), 1, 2)
    try:
        first.measure_with(lambda: Measures(3, 0, 0.125))
        assert first.measures() == [Measures(3, 0, 0.125)]
        second.measure_with(lambda: Measures(4, 1, 0.25))
        wait_for(lambda: len(first.measures()) == 2, 5)
        assert first.measures() == [Measures(3, 0, 0.125), Measures(4, 1, 0.25)]
    finally:
        second.leave(0)  # its thread must not outlive the store


def test_idle_is_the_time_outside_of_steps() -> None:
    now = 100.0
    busy = Busy(torch.device("cpu"), clock=lambda: now)
    assert busy.idle() is None
    for _ in range(3):
        with busy.step():
            now += 1
        now += 3
    assert busy.idle() == pytest.approx(0.75)


@pytest.mark.gpu
def test_idle_on_a_gpu() -> None:
    busy = Busy(torch.device("cuda"))
    wide = torch.ones((4096, 4096), device="cuda")
    for _ in range(5):
        with busy.step():
            wide @ wide
        torch.cuda.synchronize()
        time.sleep(0.05)
    assert 0.5 < (busy.idle() or 0) < 1
