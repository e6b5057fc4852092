"""Lines of results, the shards of replicas, the manifest, and the verbs over a folder of results."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import CONTRACT, RUNTIME, Place

from furo_infer import __version__, _results_commands
from furo_infer._errors import OutputError
from furo_infer._events import Counts
from furo_infer._files import LineFile
from furo_infer._job import Job, read_job
from furo_infer._manifest import Manifest, read_requests
from furo_infer._records import Record, read_records
from furo_infer._results import Answer, Results, merge_results


def answer(text: str | None = "said", **changes: Any) -> Answer:
    values: dict[str, Any] = {
        "text": text,
        "finish_reason": "stop",
        "error": None,
        "prompt_text": "<user>asked",
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "seconds": 0.25,
    }
    return Answer(**values | changes)


def failure(code: str) -> Answer:
    return answer(None, finish_reason="error", error=(code, f"because of {code}"), completion_tokens=0)


class Folder:
    """An input and its results, without a run."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(place.folder)
        place.output.mkdir()
        self.place = place
        self.path = place.output
        self.job: Job
        self.records: list[Record]
        self.ask({name: f"say {name}" for name in "abcdef"})

    def ask(self, questions: dict[str, str], **changes: Any) -> None:
        self.place.write_input([{"id": name, "question": text} for name, text in questions.items()])
        self.job = read_job(self.place.write_job(**changes))
        self.records = read_records(self.job)

    def open(self, replica: int = 0) -> Results:
        return Results(Path("results"), self.records, self.job, replica)

    def write(self, names: str, replica: int = 0, make: Callable[[str], Answer] = answer) -> None:
        by_id = {record.id: record for record in self.records}
        results = self.open(replica)
        results.write([(by_id[name], make(f"said {name}")) for name in names], "float32")
        results.close()

    def pending(self, replica: int = 0) -> str:
        results = self.open(replica)
        results.close()
        return "".join(record.id for record in results.pending)

    def ids(self, name: str = "results.jsonl") -> str:
        lines = (self.path / name).read_text(encoding="utf-8").splitlines()
        return "".join(json.loads(line)["custom_id"] for line in lines)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())


@pytest.fixture
def folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> Folder:
    return Folder(place, monkeypatch)


def shape(value: Any) -> Any:
    """Keys in order, all the way down."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return None


def contract_lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CONTRACT / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def test_lines_are_those_of_the_contract(folder: Folder) -> None:
    results = folder.open()
    results.made_with("own", "2x1x4")
    notes = ("redone_in_float32",)
    answers = [answer(), failure("prompt_too_long"), answer("42", reasoning="First I add.", notes=notes)]
    results.write(list(zip(folder.records[:3], answers, strict=True)), "float16")
    results.close()
    lines = folder.place.result_lines()
    for line, expected in zip(lines, contract_lines(), strict=True):
        assert list(line) == list(expected)
        assert shape(line) == shape(expected)
    said, failed, thought = lines
    assert said["response"]["body"]["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "said"},
        "finish_reason": "stop",
    }
    assert said["response"]["body"]["usage"] == {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    assert (failed["response"], failed["error"]["code"]) == (None, "prompt_too_long")
    message = thought["response"]["body"]["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("42", "First I add.")
    runtime = thought["x_runtime"]
    assert {name: runtime[name] for name in ("backend", "plan", "dtype", "truncated", "notes", "attempt", "line")} == {
        "backend": "own",
        "plan": "2x1x4",
        "dtype": "float16",
        "truncated": False,
        "notes": ["redone_in_float32"],
        "attempt": 1,
        "line": 3,
    }
    age = datetime.now().astimezone() - datetime.fromisoformat(runtime["started"].replace("Z", "+00:00"))
    assert 0.25 <= age.total_seconds() < 60


def test_japanese_is_written_as_it_is(folder: Folder) -> None:
    folder.ask({"問一": "日本の首都は？"})
    results = folder.open()
    results.write([(folder.records[0], answer("東京です。", reasoning="考える"))], "float32")
    results.close()
    text = (folder.path / "results.jsonl").read_text(encoding="utf-8")
    assert all(words in text for words in ("問一", "日本の首都は？", "東京です。", "考える"))
    assert "\\u" not in text


def test_each_replica_writes_its_own_shard_and_none_does_what_another_has_done(folder: Folder) -> None:
    folder.write("fb")
    folder.write("ae", replica=1)
    folder.write("d", replica=13)
    assert folder.names() == ["results-0001.jsonl", "results-0013.jsonl", "results.jsonl"]
    assert folder.pending(replica=2) == "c"
    results = folder.open(replica=2)
    assert (results.done, results.failed) == (5, 0)
    results.close()


def test_replica_0_brings_what_a_killed_run_left_into_one_file(folder: Folder) -> None:
    folder.write("fb")
    folder.write("ae", replica=1, make=lambda text: failure("oom") if text == "said e" else answer(text))
    with (folder.path / "results-0002.jsonl").open("wb") as file:
        file.write(b'{"custom_id":"c","resp')
    results = folder.open()
    assert folder.names() == ["results.jsonl"]
    assert folder.ids() == "abef"
    assert [record.id for record in results.pending] == ["c", "d"]
    assert (results.done, results.failed, results.superseded) == (3, 1, 0)
    results.close()


def test_a_single_file_is_left_in_its_order_until_the_end(folder: Folder) -> None:
    """A resume must not rewrite gigabytes for nothing."""
    folder.write("dcb")
    before = (folder.path / "results.jsonl").stat().st_ino
    assert folder.pending() == "aef"
    assert (folder.path / "results.jsonl").stat().st_ino == before
    merge_results(folder.path, folder.records)
    assert folder.ids() == "bcd"


def test_a_replica_without_records_only_writes(folder: Folder) -> None:
    folder.write("a")
    results = Results(Path("results"), (), folder.job, 1)
    assert (results.pending, results.done) == ([], 0)
    results.write([(folder.records[1], answer())], "float32")
    results.close()
    assert folder.ids("results-0001.jsonl") == "b"


def test_changed_and_gone_records_are_set_aside_from_every_shard(folder: Folder) -> None:
    folder.write("ab")
    folder.write("cd", replica=1)
    folder.ask({"a": "say a", "b": "new", "c": "say c", "x": "say x"})
    results = folder.open()
    assert results.superseded == 2
    assert [record.id for record in results.pending] == ["b", "x"]
    results.write([(record, answer()) for record in results.pending], "float32")
    results.close()
    assert sorted(folder.ids("results.superseded.jsonl")) == ["b", "d"]
    merge_results(folder.path, folder.records)
    assert folder.ids() == "abcx"
    attempts = {line["custom_id"]: line["x_runtime"]["attempt"] for line in folder.place.result_lines()}
    assert attempts == {"a": 1, "b": 2, "c": 1, "x": 1}


def test_attempts_count_on_for_every_replica_and_after_a_killed_run(folder: Folder) -> None:
    folder.write("a")
    folder.ask({"a": "new"})
    folder.open().close()  # Killed before it answered anything.
    folder.write("a", replica=3)
    line = json.loads((folder.path / "results-0003.jsonl").read_text())
    assert line["x_runtime"]["attempt"] == 2


def test_a_shard_has_one_writer(folder: Folder) -> None:
    results = folder.open(replica=1)
    with pytest.raises(OutputError, match="Another run is writing to results"):
        folder.open(replica=1)
    with pytest.raises(OutputError, match="Another run is writing to results"):
        folder.open()
    results.close()
    folder.open(replica=1).close()


def test_a_full_disk_is_said_and_keeps_what_was_there(folder: Folder) -> None:
    (folder.path / "results-0004.jsonl").symlink_to("/dev/full")
    results = Results(Path("results"), (), folder.job, 4)
    with pytest.raises(OutputError, match=r"No space left on device\. Free some space"):
        results.write([(folder.records[0], answer())], "float32")
    results.close()


def options(path: Path, **values: Any) -> argparse.Namespace:
    return argparse.Namespace(folder=path, **values)


def test_retry_errors_sets_aside_the_chosen_ones(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    failures = {"b": "oom", "d": "nan", "e": "oom"}
    folder.write("fdcb", make=lambda text: failure(failures[text[-1]]) if text[-1] in failures else answer(text))
    folder.write("ea", replica=1, make=lambda text: failure("oom") if text == "said e" else answer(text))
    assert _results_commands.run_retry_errors(options(folder.path, code=["oom"])) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"2 failed records (2 oom) were moved to {folder.path}/results.superseded.jsonl. "
        "Run the same job again to compute them.",
        "1 failed records stay (1 nan).",
    ]
    assert folder.pending() == "be"
    folder.write("be")
    attempts = {line["custom_id"]: line["x_runtime"]["attempt"] for line in folder.place.result_lines()}
    assert attempts == {"a": 1, "b": 2, "c": 1, "d": 1, "e": 2, "f": 1}
    assert _results_commands.run_retry_errors(options(folder.path, code=None)) == 0
    assert folder.pending() == "d"
    capsys.readouterr()
    assert _results_commands.run_retry_errors(options(folder.path, code=None)) == 0
    assert capsys.readouterr().out == f"No failed record is in {folder.path}.\n"


def test_merge_takes_the_order_of_the_latest_input(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.write("ab")
    folder.ask({name: f"say {name}" for name in "xba"})
    folder.write("x", replica=1)
    Manifest(folder.path, folder.job, folder.records).begin()
    assert _results_commands.run_merge(options(folder.path)) == 0
    assert folder.ids() == "xba"
    told = f"{folder.path}/results.jsonl: merged; 3 records, 0 of them failed.\n"
    assert capsys.readouterr().out == told
    assert _results_commands.run_merge(options(folder.path)) == 0
    assert capsys.readouterr().out == told.replace("merged;", "nothing to merge;")


@pytest.mark.parametrize("verb", ["run_merge", "run_retry_errors"])
def test_verbs_stay_away_from_a_folder_in_use(folder: Folder, verb: str) -> None:
    folder.write("a")
    with (
        LineFile(folder.path / "progress.jsonl", locked=True),
        pytest.raises(OutputError, match="Another run is writing") as caught,
    ):
        getattr(_results_commands, verb)(options(folder.path, code=None))
    assert caught.value.reason == "outputInUse"


@pytest.mark.parametrize("verb", ["run_merge", "run_retry_errors", "run_stats"])
def test_verbs_want_results(folder: Folder, verb: str) -> None:
    with pytest.raises(OutputError, match="There are no results in"):
        getattr(_results_commands, verb)(options(folder.path, code=None, json=False))
    assert folder.names() == []


def stats_of(folder: Folder, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert _results_commands.run_stats(options(folder.path, json=True)) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_stats(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    lengths = {"a": 10, "b": 20, "c": 30, "d": 40}
    by_id = {record.id: record for record in folder.records}
    answers = {name: answer(completion_tokens=tokens, seconds=tokens / 10) for name, tokens in lengths.items()}
    answers["d"] = answer(
        "", completion_tokens=40, seconds=4.0, finish_reason="length", reasoning="so", notes=("ended_inside_thinking",)
    )
    answers["e"] = failure("oom")
    results = folder.open()
    results.write([(by_id[name], answers[name]) for name in "abe"], "float32")
    results.close()
    results = folder.open(replica=1)
    results.write([(by_id[name], answers[name]) for name in "cd"], "float32")
    results.close()
    with (folder.path / "results-0001.jsonl").open("a") as file:
        file.write("nonsense\n" + json.dumps({"custom_id": "z", "error": None, "x_runtime": {}}) + "\n")
    stats = stats_of(folder, capsys)
    assert stats.pop("busy_seconds") == pytest.approx(4.0, abs=0.5)
    assert stats.pop("tokens_per_second") == pytest.approx(25, abs=3)
    assert stats == {
        "records": 5,
        "answered": 4,
        "failed": 1,
        "unreadable": 2,
        "prompt_tokens": 12,
        "completion_tokens": 100,
        "at_limit": 1,
        "truncated_thinking": 1,
        "finish_reasons": {"stop": 3, "length": 1},
        "errors": {"oom": 1},
        "notes": {"ended_inside_thinking": 1},
        "prompt_lengths": dict.fromkeys(("min", "p50", "p90", "p95", "p99", "max"), 3),
        "answer_lengths": {"min": 10, "p50": 20, "p90": 40, "p95": 40, "p99": 40, "max": 40},
        "seconds": {"min": 1.0, "p50": 2.0, "p90": 4.0, "p95": 4.0, "p99": 4.0, "max": 4.0},
    }
    assert _results_commands.run_stats(options(folder.path, json=False)) == 0
    page = capsys.readouterr().out
    assert f"5 records in {folder.path}: 4 answered, 1 failed." in page
    assert "finish reasons: 3 stop, 1 length\nerrors: 1 oom\n" in page
    assert "1 answers ended while the model was still thinking" in page
    assert "answer tokens         10        20        40        40        40        40" in page


def test_pauses_between_runs_do_not_count_as_generating(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.write("ab", make=lambda text: answer(text, seconds=2.0))
    path = folder.path / "results.jsonl"
    first, second = path.read_text().splitlines()
    later = json.loads(second)
    later["x_runtime"]["started"] = "2030-01-01T00:00:00.000Z"
    path.write_text(first + "\n" + json.dumps(later) + "\n")
    assert stats_of(folder, capsys)["busy_seconds"] == pytest.approx(4.0, abs=0.01)


def manifest_of(folder: Folder) -> dict[str, Any]:
    return dict(json.loads((folder.path / "manifest.json").read_text(encoding="utf-8")))


def test_the_manifest_tells_how_to_make_the_results_again(folder: Folder, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_bytes(b"{}")
    for job_id in ("1001", "1002"):
        manifest = Manifest(folder.path, folder.job, folder.records, job_id)
        manifest.begin()
        assert manifest_of(folder)["runs"][-1]["ended"] is None
        manifest.loaded(config, "own", "2x1x4", "float16", "cuda")
        manifest.end(Counts(6, done=5, failed=1, tokens=70, tokens_in=30), 0, [123, 456], seconds=2.5)
    value = manifest_of(folder)
    assert value["model"] == {
        "name": folder.job.model,
        "revision": None,
        "config_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    }
    assert value["input"]["path"] == "input.jsonl"
    assert len(value["input"]["sha256"]) == 64
    assert value["input"]["records"] == 6
    assert value["job"]["generation"]["max_new_tokens"] == folder.job.generation.max_new_tokens
    first, second = value["runs"]
    assert (first["job_id"], second["job_id"]) == ("1001", "1002")
    assert second["layout"] == {"backend": "own", "plan": "2x1x4", "dtype": "float16", "device": "cuda"}
    assert second["peak_memory_bytes"] == [123, 456]
    assert second["counts"] == {"total": 6, "done": 5, "failed": 1, "tokens": 70, "tokens_in": 30, "seconds": 2.5}
    assert (second["exit_code"], second["versions"]["furo_infer"]) == (0, __version__)
    assert {"python", "torch", "transformers"} <= set(second["versions"])
    assert first["started"] <= first["ended"] <= second["started"] <= second["ended"]
    contract = json.loads((CONTRACT / "manifest.json").read_text())
    assert list(value) == list(contract)
    for name in ("model", "input"):
        assert list(value[name]) == list(contract[name])
    assert list(second) == list(contract["runs"][0])
    for name in ("layout", "counts"):
        assert list(second[name]) == list(contract["runs"][0][name])


def test_a_damaged_manifest_is_begun_anew(folder: Folder) -> None:
    for text in ("", "[]", '{"runs": 3}', "\x00" * 100):
        (folder.path / "manifest.json").write_text(text)
        Manifest(folder.path, folder.job, folder.records).begin()
        assert len(manifest_of(folder)["runs"]) == 1
    (folder.path / "requests.jsonl").write_text("nonsense\n")
    assert read_requests(folder.path) is None
    assert Manifest(folder.path, folder.job, folder.records).change is None


@pytest.mark.parametrize(
    ("asked", "settings", "said"),
    [
        ("abcdef", {}, None),
        ("fedcba", {}, None),
        ("abcdefgh", {}, "2 are new, 0 are changed, 0 are gone of 6"),
        ("abcd", {}, "0 are new, 0 are changed, 2 are gone of 6"),
        ("Abcdez", {}, "1 is new, 1 is changed, 1 is gone of 6"),
        ("abcdef", {"generation": {"max_new_tokens": 7}}, "0 are new, 6 are changed, 0 are gone of 6"),
        ("abcdef", {"batch": {"rows": 3}}, None),
    ],
)
def test_a_changed_input_is_said_in_numbers(
    folder: Folder, asked: Sequence[str], settings: dict[str, Any], said: str | None
) -> None:
    """A capital letter stands for the same id with another question. No record of the run before was computed."""
    Manifest(folder.path, folder.job, folder.records).begin()
    folder.ask({letter.lower(): f"say {letter}" for letter in asked}, **settings)
    change = Manifest(folder.path, folder.job, folder.records).change
    if said is None:
        assert change is None
    else:
        assert change is not None
        assert f"The requests are not those of the run before: {said};" in change


def test_none_of_it_imports_torch() -> None:
    """The login node answers these verbs, where torch takes seconds or is not there at all."""
    modules = ("_results_commands", "_results", "_manifest", "_events", "_deadline", "_signals", "_stats")
    program = "".join(f"import furo_infer.{name}\n" for name in modules) + "import sys\nprint('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(RUNTIME)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
