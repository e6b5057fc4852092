"""The benchmark for a machine with a GPU: its arithmetic, and the whole script on a small model where there is none."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from checkpoints import dense, write_config
from conftest import RUNTIME

from furo_infer._footprint import read_footprint
from furo_infer._plan import GIB, Machine


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(RUNTIME / "bench"), *sys.path])
    return importlib.import_module("gpu")


@pytest.mark.parametrize(("rows", "tokens_per_second"), [(1, 60), (32, 1570), (64, 2650)])
def test_roofline_of_a_v100(gpu: Any, tmp_path: Path, rows: int, tokens_per_second: float) -> None:
    """By hand: 900 GB/s, Llama-3.1-8B in float16, a mean context of 800."""
    footprint = read_footprint(write_config(tmp_path, dense("llama", 4096, 14336, 32, 32, 128256)))
    assert gpu.roofline(footprint, rows, 800, 900e9) == pytest.approx(tokens_per_second, rel=0.01)


def test_memory_that_is_planned_grows_with_the_rows(gpu: Any, tmp_path: Path) -> None:
    footprint = read_footprint(write_config(tmp_path, gpu.SHAPES["8b"]))
    one, many = (gpu.planned(footprint, Machine(1, 1, 80 * GIB), rows, 640) for rows in (1, 128))
    cache, scores = 127 * 640 * 128 * 1024, 127 * 128256 * 6
    assert many - one == cache + scores
    assert one == pytest.approx(16.7e9, rel=0.01)


def test_a_figure_that_is_off_is_shown(gpu: Any) -> None:
    def off(planned: float) -> str:
        line = gpu.Figures("float16", 32, 1000.0, None, 2000.0, 20 * GIB, int(planned * GIB)).line()
        assert "| out of memory | 1000 | - | 2000 | 0.50 | 20.00 |" in line
        return str(line.split("|")[-2].strip())

    assert (off(20.9), off(21.1), off(18.9)) == ("+4.5%", "**+5.5%**", "**-5.5%**")


@pytest.mark.without_gpu
def test_the_script_runs_on_a_cpu(gpu: Any, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--shape", "tiny", "--rows", "2", "1", "--prompt-tokens", "12", "--new-tokens", "4", "--bandwidth", "10"]
    assert gpu.main(asked) == 0
    out = capsys.readouterr().out
    assert "8 of 8 are those of generate()" in out
    lines = [line for line in out.splitlines() if line.startswith("| float32")]
    assert [line.split("|")[2].strip() for line in lines] == ["1", "2"]
    assert all(float(line.split("|")[4]) > 0 for line in lines)
