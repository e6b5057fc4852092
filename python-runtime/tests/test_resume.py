"""Runs that end early, as real processes: killed, signalled, out of time, out of disk; and the runs that go on."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Place, content_of, wait_for

# What these runs do to the echo engine: a word takes 20 ms, as a token of a real model does.
SLOW_ECHO = """
import sys, furo_infer.engines.echo as echo
make = echo.EchoEngine.__init__
echo.EchoEngine.__init__ = lambda self, allocation: make(self, allocation, 0.02)
from furo_infer.__main__ import main
sys.exit(main())
"""
MODELS = ("echo", "tiny")


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


class Long:
    """A run of some seconds, with the echo engine or a real model, that can be stopped in its middle."""

    def __init__(self, place: Place, model: Path | None, records: int = 12) -> None:
        self.place = place
        self.records = records
        self._program = SLOW_ECHO if model is None else None
        words = " ".join(f"word{number}" for number in range(8))
        place.write_input([{"id": f"q-{n}", "question": f"{n} 日本 {words}"} for n in range(records)])
        self.wish: dict[str, Any] = {"batch": {"rows": 2}, "generation": {"max_new_tokens": 80, "temperature": 0.0}}
        if model is not None:
            self.wish |= {"model": str(model), "backend": "transformers"}
            self.wish["generation"] = {"max_new_tokens": 80, "temperature": 1.0, "seed": 3}
        place.write_job(**self.wish)

    def start(self) -> subprocess.Popen[str]:
        return self.place.start("run", "job.json", program=self._program)

    def stop_in_the_middle(self, number: signal.Signals) -> tuple[int, str]:
        process = self.start()
        before = lines_in(self.place.output / "results.jsonl")
        wait_for(lambda: lines_in(self.place.output / "results.jsonl") >= before + 2 or process.poll() is not None)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        return process.returncode, error

    def finish(self) -> str:
        process = self.start()
        out, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
        return out

    def texts(self) -> dict[str, str]:
        return {name: content_of(line) for name, line in self.place.results().items()}


@pytest.fixture(params=MODELS)
def long(request: pytest.FixtureRequest, place: Place) -> Long:
    model = None if request.param == "echo" else request.getfixturevalue("endless_model")
    return Long(place, model)


def test_killed_and_stopped_and_gone_on_every_id_has_its_one_text(long: Long, tmp_path: Path) -> None:
    place = long.place
    code, error = long.stop_in_the_middle(signal.SIGKILL)
    assert code == -signal.SIGKILL, error
    first = lines_in(place.output / "results.jsonl")
    assert 2 <= first < long.records
    code, error = long.stop_in_the_middle(signal.SIGTERM)
    assert code == 75
    assert "stopped by SIGTERM" in error
    assert "Traceback" not in error
    second = lines_in(place.output / "results.jsonl")
    assert first < second < long.records
    assert f"{second} of them done by an earlier run" in long.finish()
    parts = long.texts()
    lines = place.result_lines()
    assert [line["custom_id"] for line in lines] == [f"q-{n}" for n in range(long.records)], "not in order of the input"
    assert {line["x_runtime"]["attempt"] for line in lines} == {1}
    place.output = tmp_path / "whole"
    place.write_job(**long.wish, output="whole")
    long.finish()
    assert long.texts() == parts
    assert len(set(parts.values())) == long.records


def test_the_warning_of_other_batch_systems_ends_it_too(place: Place) -> None:
    long = Long(place, None)
    code, error = long.stop_in_the_middle(signal.SIGUSR1)
    assert code == 75
    assert "stopped by SIGUSR1" in error


def test_shards_that_a_killed_run_left_are_taken_over(place: Place) -> None:
    """As four replicas leave them: each its own file, each with a torn line, one line in two of them."""
    place.write_input([{"id": f"q-{n}", "question": f"say {n}"} for n in range(10)])
    place.write_job()
    assert place.run()[0] == 0
    whole = place.output / "results.jsonl"
    lines = whole.read_bytes().splitlines(keepends=True)
    for replica in range(4):
        path = place.output / (f"results-{replica:04d}.jsonl" if replica else "results.jsonl")
        torn = lines[9][: 30 * (replica + 1)]
        path.write_bytes(b"".join(lines[1:8][replica::4]) + (lines[7] if replica == 2 else b"") + torn)
    code, out, error = place.run()
    assert (code, error) == (0, "")
    assert "7 of them done by an earlier run" in out
    assert sorted(path.name for path in place.output.glob("results*")) == ["results.jsonl"]
    after = whole.read_bytes().splitlines(keepends=True)
    assert after[1:8] == lines[1:8]
    assert [json.loads(line)["custom_id"] for line in after] == [f"q-{n}" for n in range(10)]


def test_results_are_what_the_model_said_and_how_it_ended(place: Place, endless_model: Path) -> None:
    """Nothing of the prompt in the content, a finish reason on every answer, no text escaped."""
    place.write_input([{"id": "問", "question": "日本の首都は東京です。 fox fox fox"}])
    place.write_job(model=str(endless_model), backend="transformers", generation={"max_new_tokens": 4})
    code, _, error = place.run()
    assert (code, error) == (0, "")
    line = place.results()["問"]
    choice = line["response"]["body"]["choices"][0]
    usage = line["response"]["body"]["usage"]
    assert (choice["finish_reason"], usage["completion_tokens"]) == ("length", 4)
    assert "fox fox fox" not in choice["message"]["content"]
    assert "東京です" not in choice["message"]["content"]
    assert "日本の首都は東京です。" in (place.output / "results.jsonl").read_text(encoding="utf-8")


def test_a_changed_input_is_said_in_one_sentence(place: Place) -> None:
    place.write_input([{"id": name, "question": f"say {name}"} for name in "abcd"])
    place.write_job()
    assert "requests are not those" not in place.run()[1]
    place.write_input([{"id": name, "question": f"say {name}"} for name in "aBce"])
    code, out, _ = place.run()
    assert code == 0
    assert "The requests are not those of the run before: 2 are new, 0 are changed, 2 are gone of 4" in out
    assert set(place.results()) == set("aBce")
    assert "requests are not those" not in place.run()[1]


def test_retry_errors_makes_the_next_run_compute_them(place: Place) -> None:
    place.write_input([{"id": "good", "question": "x"}, {"id": "bad", "no": "field"}])
    place.write_job()
    assert place.run()[0] == 0
    assert place.results()["bad"]["error"]["code"] == "template_field_missing"
    code, out, error = place.run("retry-errors", "results")
    assert (code, error) == (0, "")
    assert "1 failed records (1 template_field_missing) were moved to results/results.superseded.jsonl" in out
    assert list(place.results()) == ["good"]
    assert "1 of them done by an earlier run" in place.run()[1]
    assert place.results()["bad"]["x_runtime"]["attempt"] == 2
    code, out, _ = place.run("stats", "results", "--json")
    assert code == 0
    assert json.loads(out)["errors"] == {"template_field_missing": 1}


def test_verbs_wait_for_nobody_and_touch_nothing_that_is_in_use(place: Place) -> None:
    long = Long(place, None)
    process = long.start()
    wait_for(lambda: lines_in(place.output / "results.jsonl") >= 1)
    for verb in ("merge", "retry-errors"):
        code, _, error = place.run(verb, "results")
        assert code == 5
        assert "Another run is writing to results" in error
    assert place.run("stats", "results")[0] == 0
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(place.results()) == long.records


def test_a_run_stops_by_itself_before_its_time_is_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of 30 seconds, 23 of them gone when the program begins, and 3 kept free: 4 seconds for 40 of work."""
    long = Long(place, None, records=200)
    monkeypatch.setenv("FURO_ELAPSE_SECONDS", "30")
    monkeypatch.setenv("FURO_JOB_STARTED", str(time.time() - 23))
    began = time.monotonic()
    process = long.start()
    out, error = process.communicate(timeout=60)
    assert process.returncode == 75, error
    assert time.monotonic() - began < 7
    assert "elapse limit" in error
    done = len(place.results())
    assert 0 < done < 200
    assert f"{done} of 200 records done" in out
    last = place.events()[-1]
    assert (last["event"], last["done"]) == ("interrupted", done)
    assert json.loads((place.output / "manifest.json").read_text())["runs"][-1]["exit_code"] == 75


# Root may write everywhere, so a run as root goes on as nobody, who may not even read the library.
UNPRIVILEGED = """
import os, sys
import furo_infer._run
from furo_infer.__main__ import main
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main())
"""


def test_an_output_folder_that_may_not_be_written(place: Place) -> None:
    place.write_input([{"question": "a"}])
    place.write_job()
    place.output.mkdir()
    place.output.chmod(0o555)
    place.folder.chmod(0o755)
    code, _, error = place.run("run", "job.json", program=UNPRIVILEGED)
    assert code == 5, error
    assert "cannot be written to results/progress.jsonl: Permission denied" in error
    assert "Traceback" not in error


def test_a_disk_that_fills_up_while_shards_are_merged(place: Place) -> None:
    """A limit on the file size stands in for the full disk; every shard is below it, all together are not."""
    place.write_input([{"id": f"q-{n}", "question": "word " * 50} for n in range(40)])
    place.write_job()
    assert place.run()[0] == 0
    path = place.output / "results.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:20]))
    (place.output / "results-0001.jsonl").write_bytes(b"".join(lines[20:]))
    limit = int(path.stat().st_size * 1.5)
    program = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "from furo_infer.__main__ import main\n"
        "sys.exit(main())"
    )
    for arguments in (("merge", "results"), ("run", "job.json")):
        code, _, error = place.run(*arguments, program=program)
        assert code == 5
        assert "results.jsonl: File too large. Free some space" in error
        assert "Traceback" not in error
        assert path.read_bytes() == b"".join(lines[:20])
        assert not path.with_name("results.jsonl.tmp").exists()
    assert place.run()[0] == 0
    assert path.read_bytes() == b"".join(lines)
