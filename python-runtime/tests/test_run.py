"""Whole runs as real processes: the contract's lines, resume, signals, kill -9, a full disk."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import CONTRACT, DEVICE, Place, content_of, wait_for


def keys(value: Any) -> Any:
    """The shape of a JSON value: its keys in order, all the way down."""
    if isinstance(value, dict):
        return {name: keys(inner) for name, inner in value.items()}
    return [keys(inner) for inner in value] if isinstance(value, list) else None


def contract(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CONTRACT / name).read_text().splitlines()]


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_a_real_run_keeps_the_contract(place: Place, tiny_model: Path) -> None:
    place.write_input(
        [{"id": f"q-{n}", "question": f"fox number {n}"} for n in range(11)]
        + [{"id": "long", "question": "fox " * 900}]
    )
    place.write_job(model=str(tiny_model), backend="own", generation={"max_new_tokens": 6}, batch={"rows": 4})
    code, out, error = place.run()
    assert (code, error) == (0, "")
    results = place.results()
    assert len(results) == 12
    assert results["long"]["error"]["code"] == "prompt_too_long"
    answered, failed, _ = contract("results.jsonl")
    assert list(results["q-3"]) == list(answered)
    assert keys(results["q-3"]) == keys(answered)
    assert keys(results["long"]) == keys(failed)
    runtime = results["q-3"]["x_runtime"]
    assert (runtime["prompt"], runtime["line"], runtime["dtype"]) == ("fox number 3", 4, "float32")
    assert "fox number" not in content_of(results["q-3"])
    shapes = {event["event"]: keys(event) for event in contract("progress.jsonl")}
    events = place.events()
    for event in events:
        peak = event.pop("peak_memory_bytes", 0)  # there when the run has lasted long enough for progress to be told
        assert event["event"] != "progress" or peak > (
            50e6 if DEVICE == "cpu" else 1e3
        )  # on a GPU what torch has there
        assert keys(event) == shapes[event["event"]]
    names = [event["event"] for event in events]
    assert names[:4] == ["started", "record_failed", "model_loading", "model_loaded"]
    assert (names[-1], events[-1]["done"], events[-1]["failed"]) == ("finished", 11, 1)
    assert re.search(rf"Loaded on {DEVICE}.* as float32", out)
    assert "Finished: 11 answered, 1 failed, 12 records" in out
    assert "\r" not in out


def test_a_second_run_computes_nothing_and_needs_no_model(place: Place) -> None:
    place.write_input([{"question": "a"}, {"question": "b"}])
    place.write_job()
    assert place.run()[0] == 0
    before = (place.output / "results.jsonl").read_bytes()
    code, out, _ = place.run()
    assert code == 0
    assert (place.output / "results.jsonl").read_bytes() == before
    assert [event["event"] for event in place.events()[-2:]] == ["started", "finished"]
    assert place.events()[-2]["resumed"] == 2
    assert "Loading" not in out


def test_only_missing_and_changed_records_are_computed_again(place: Place) -> None:
    place.write_input([{"id": name, "question": f"say {name}"} for name in "abcd"])
    place.write_job()
    assert place.run()[0] == 0
    place.write_input(
        [{"id": "a", "question": "say a"}, {"id": "b", "question": "new"}, {"id": "e", "question": "say e"}]
    )
    code, out, _ = place.run()
    assert code == 0
    results = place.results()
    assert {name: content_of(line) for name, line in results.items()} == {"a": "say a", "b": "new", "e": "say e"}
    assert [results[name]["x_runtime"]["attempt"] for name in "abe"] == [1, 2, 1]
    aside = (place.output / "results.superseded.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["custom_id"] for line in aside) == ["b", "c", "d"]
    assert "3 earlier lines answered other requests" in out


def test_a_torn_last_line_is_repaired(place: Place) -> None:
    place.write_input([{"id": name, "question": name} for name in "abc"])
    place.write_job()
    assert place.run()[0] == 0
    path = place.output / "results.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    progress = place.output / "progress.jsonl"
    progress.write_bytes(progress.read_bytes()[:-5])
    assert place.run()[0] == 0
    assert set(place.results()) == set("abc")
    assert path.read_bytes().count(b"\n") == 3
    assert place.events()[-1]["event"] == "finished"


def start_long_run(place: Place, model: Path, records: int = 12) -> subprocess.Popen[str]:
    place.write_input([{"id": f"q-{n}", "question": f"fox {n}"} for n in range(records)])
    place.write_job(model=str(model), backend="own", generation={"max_new_tokens": 120}, batch={"rows": 2})
    return place.start()


def test_kill_9_in_the_middle_loses_and_doubles_nothing(place: Place, endless_model: Path) -> None:
    process = start_long_run(place, endless_model)
    wait_for(lambda: lines_in(place.output / "results.jsonl") >= 4)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    whole = (place.output / "results.jsonl").read_bytes().split(b"\n")[:-1]
    assert 4 <= len(whole) < 12
    code, out, _ = place.run()
    assert code == 0
    assert len(place.results()) == 12
    assert set(whole) <= set((place.output / "results.jsonl").read_bytes().split(b"\n"))
    assert f"{len(whole)} of them done by an earlier run" in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGXCPU, signal.SIGINT])
def test_a_signal_ends_the_run_within_seconds_and_the_next_goes_on(
    place: Place, endless_model: Path, number: signal.Signals
) -> None:
    process = start_long_run(place, endless_model)
    wait_for(lambda: lines_in(place.output / "results.jsonl") >= 2)
    process.send_signal(number)
    sent = time.monotonic()
    out, error = process.communicate(timeout=30)
    assert time.monotonic() - sent < 5
    assert process.returncode == 75
    assert f"stopped by {number.name}" in error
    assert "Traceback" not in error
    last = place.events()[-1]
    done = len(place.results())
    assert (last["event"], last["signal"], last["done"]) == ("interrupted", number.name, done)
    assert keys(last) == keys(next(event for event in contract("progress.jsonl") if event["event"] == "interrupted"))
    assert 2 <= done < 12
    assert f"{done} of 12 records done" in out
    assert place.run()[0] == 0
    assert len(place.results()) == 12


def test_a_resumed_run_gives_the_same_sampled_answers(place: Place, endless_model: Path, tmp_path: Path) -> None:
    wish = {"max_new_tokens": 60, "temperature": 1.0, "seed": 4}
    job: dict[str, Any] = {"model": str(endless_model), "backend": "own", "generation": wish}
    place.write_input([{"id": f"q-{n}", "question": f"fox {n}"} for n in range(9)])
    place.write_job(**job, batch={"rows": 9}, output="whole")
    assert place.run()[0] == 0
    place.output = tmp_path / "whole"
    expected = {name: content_of(line) for name, line in place.results().items()}
    place.write_job(**job, batch={"rows": 2}, output="parts")
    place.output = tmp_path / "parts"
    process = place.start()
    wait_for(lambda: lines_in(place.output / "results.jsonl") >= 2)
    process.kill()
    process.communicate()
    assert place.run()[0] == 0
    assert {name: content_of(line) for name, line in place.results().items()} == expected
    assert len(set(expected.values())) == 9


def test_a_signal_while_loading_ends_it_too(place: Place, tiny_model: Path) -> None:
    place.write_input([{"question": "a"}])
    place.write_job(model=str(tiny_model), backend="own")
    process = place.start()
    wait_for(lambda: lines_in(place.output / "progress.jsonl") >= 2)
    process.terminate()
    sent = time.monotonic()
    process.communicate(timeout=30)
    assert process.returncode == 75
    assert time.monotonic() - sent < 6
    assert place.events()[-1]["event"] == "interrupted"


def test_a_run_that_hangs_is_ended_after_the_grace_time(place: Place) -> None:
    """The engine sleeps through the signal, as one slow step of a large model does."""
    place.write_input([{"question": "a b c"}])
    place.write_job()
    program = (
        "import sys, time, furo_infer.engines.echo as echo\n"
        "echo.EchoEngine.load = lambda self: [time.sleep(1) for _ in range(60)]\n"
        "from furo_infer.__main__ import main\n"
        "sys.exit(main())"
    )
    process = place.start(program=program)
    wait_for(lambda: lines_in(place.output / "progress.jsonl") >= 2)
    process.send_signal(signal.SIGXCPU)
    sent = time.monotonic()
    process.communicate(timeout=30)
    assert process.returncode == 75
    assert 2.5 < time.monotonic() - sent < 5
    assert place.events()[-1]["event"] == "interrupted"


def failed_event(place: Place) -> dict[str, Any]:
    last = place.events()[-1]
    assert keys(last) == keys(next(event for event in contract("progress.jsonl") if event["event"] == "failed"))
    return last


def test_input_errors_come_before_the_model(place: Place) -> None:
    place.write_input([{"id": "a", "question": str(n)} for n in range(2)])
    place.write_job(model="/no/such/model", backend="own")
    code, _, error = place.run()
    assert code == 4
    assert error.startswith(
        'furo_infer: error: 1 line of input.jsonl cannot be used:\n  line 2: the id "a" is already on line 1'
    )
    assert (failed_event(place)["reason"], failed_event(place)["exit_code"]) == ("inputInvalid", 4)


def test_a_line_that_cannot_be_read_is_a_failed_record_and_the_others_are_answered(place: Place) -> None:
    place.write_input([{"question": str(n)} for n in range(3)] + ['{"question": "x"'])
    place.write_job()
    code, out, _ = place.run()
    assert code == 0
    assert place.results()["line-000004"]["error"]["code"] == "line_invalid"
    assert "Line 4 of the input cannot be used: not valid JSON" in out
    assert "Finished: 3 answered, 1 failed, 4 records" in out


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("/no/such/model", "There is no model at /no/such/model. Check the path"),
        (".", "has no config.json"),
        ("someone/something", "HF_HUB_OFFLINE forbids to fetch it. Download it on the login node first"),
        ("a model?", "It is no hub name either"),
    ],
)
def test_a_model_that_is_not_there(place: Place, model: str, said: str) -> None:
    place.write_input([{"question": "a"}])
    place.write_job(model=model, backend="own")
    code, _, error = place.run()
    assert code == 3
    assert said in error
    assert "Traceback" not in error
    assert failed_event(place)["reason"] == "modelNotFound"


def test_a_model_in_the_hub_cache_is_found_offline(
    place: Place, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache made by hand: refs/main names a snapshot whose files are links."""
    monkeypatch.setenv("HF_HOME", str(place.folder / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    repository = place.folder / "hf" / "hub" / "models--someone--tiny"
    commit = "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / commit).symlink_to(tiny_model, target_is_directory=True)
    place.write_input([{"question": "a"}])
    place.write_job(model="someone/tiny", backend="own", generation={"max_new_tokens": 4})
    code, _, error = place.run()
    assert (code, error) == (0, "")


def test_cuda_asked_for_and_hidden(place: Place, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    place.write_input([{"question": "a"}])
    place.write_job(model=str(tiny_model), backend="own", device="cuda")
    code, _, error = place.run()
    assert code == 6
    assert 'The job asks for a GPU ("device": "cuda")' in error
    assert failed_event(place)["reason"] == "cudaAbsent"


def test_an_output_below_a_file_cannot_be_written(place: Place) -> None:
    place.write_input([{"question": "a"}])
    place.write_job(output="input.jsonl/results")
    code, _, error = place.run()
    assert code == 5
    assert "cannot be written to input.jsonl/results: Not a directory" in error


def test_a_disk_that_fills_up_ends_the_run_and_the_next_one_repairs_it(place: Place) -> None:
    """A limit on the file size stands in for the full disk: a write comes back short, the next one fails."""
    place.write_input([{"id": f"q-{n}", "question": "word " * 100} for n in range(40)])
    place.write_job(batch={"rows": 4}, generation={"max_new_tokens": 200})
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "from furo_infer.__main__ import main\n"
        "sys.exit(main())"
    )
    code, _, error = place.run(program=program)
    assert code == 5
    assert "results.jsonl: File too large. Free some space" in error
    assert "Traceback" not in error
    assert failed_event(place)["reason"] == "outputNotWritable"
    torn = (place.output / "results.jsonl").read_bytes()
    assert len(torn) == 10_000
    assert not torn.endswith(b"\n")
    assert place.run()[0] == 0
    assert len(place.results()) == 40


def test_two_runs_never_write_the_same_output(place: Place, endless_model: Path) -> None:
    process = start_long_run(place, endless_model)
    wait_for(lambda: lines_in(place.output / "progress.jsonl") >= 1)
    code, _, error = place.run()
    process.kill()
    process.communicate()
    assert code == 5
    assert "Another run is writing to results" in error


def test_a_defect_keeps_its_traceback_and_exit_code_1(place: Place) -> None:
    program = (
        "import sys, furo_infer.engines.echo as echo\n"
        "def load(self): raise KeyError('a bug')\n"
        "echo.EchoEngine.load = load\n"
        "from furo_infer.__main__ import main\n"
        "sys.exit(main())"
    )
    place.write_input([{"question": "a"}])
    place.write_job()
    code, _, error = place.run(program=program)
    assert code == 1
    assert "Traceback" in error
    assert failed_event(place)["reason"] == "defect"


def test_the_longest_prompts_reach_the_engine_first_and_those_as_long_as_others_in_order(place: Place) -> None:
    program = (
        "import sys, furo_infer.engines.echo as echo\n"
        "answer = echo.EchoEngine._one\n"
        "def asked(self, request, watch):\n"
        "    print('asked', request.record.id)\n"
        "    return answer(self, request, watch)\n"
        "echo.EchoEngine._one = asked\n"
        "from furo_infer.__main__ import main\n"
        "sys.exit(main())"
    )
    lengths = {"a": 2, "b": 9, "c": 1, "d": 9, "e": 30, "f": 2}
    place.write_input([{"id": name, "question": "fox " * words} for name, words in lengths.items()])
    place.write_job()
    code, out, error = place.run(program=program)
    assert (code, error) == (0, "")
    assert [line.split()[1] for line in out.splitlines() if line.startswith("asked ")] == list("ebdafc")
    assert [line["custom_id"] for line in place.result_lines()] == list("abcdef")


def test_check_reads_and_writes_nothing(place: Place) -> None:
    place.write_input([{"id": "a", "question": "x"}, {"id": "b"}])
    place.write_job(model="/no/such/model")
    code, out, _ = place.run("check", "job.json")
    assert code == 0
    assert "record b (line 2) will fail: The prompt template does not fit" in out
    assert "2 records, 1 will fail." in out
    assert not place.output.exists()
