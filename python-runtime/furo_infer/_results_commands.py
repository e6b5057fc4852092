"""`merge DIR`, `retry-errors DIR`, `stats DIR`: verbs over the results of runs that have ended.

Knows arguments, sentences and locks; what a line says is `_shards`', what the numbers mean `_stats`' part. Never
imports torch.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ._errors import EXIT_OK, OutputError
from ._files import LineFile
from ._manifest import read_requests
from ._merge import Catalog
from ._shards import RESULTS, SUPERSEDED, Summary, lock_shards, shard_paths
from ._stats import Stats, read_stats

__all__ = [
    "add_merge_arguments",
    "add_retry_errors_arguments",
    "add_stats_arguments",
    "run_merge",
    "run_retry_errors",
    "run_stats",
]

# Every run holds a lock on this file from its beginning to its end.
PROGRESS = "progress.jsonl"


def add_merge_arguments(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)


def run_merge(chosen: argparse.Namespace) -> int:
    """Brings the shards of a killed run into one results.jsonl in the order of the input."""
    folder: Path = chosen.folder
    with _owned(folder):
        merged = Catalog(folder, input_lines=_input_lines(folder)).merge()
    told = "merged" if merged.rewritten else "nothing to merge"
    aside = f" {merged.superseded} lines that no longer hold are now in {SUPERSEDED}." if merged.superseded else ""
    print(f"{folder / RESULTS}: {told}; {merged.lines} records, {merged.failed} of them failed.{aside}")
    return EXIT_OK


def add_retry_errors_arguments(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument(
        "--code",
        action="append",
        metavar="CODE",
        help="only errors with this code, such as out_of_memory; may be given more than once",
    )


def run_retry_errors(chosen: argparse.Namespace) -> int:
    """Sets failed records aside, so that the next run computes them again."""
    folder: Path = chosen.folder
    codes: list[str] | None = chosen.code
    taken: Counter[str] = Counter()
    left: Counter[str] = Counter()

    def is_taken(summary: Summary) -> bool:
        if summary.code is None:
            return False
        take = codes is None or summary.code in codes
        (taken if take else left)[summary.code] += 1
        return take

    with _owned(folder):
        Catalog(folder, dropped=is_taken, input_lines=_input_lines(folder)).merge(ordered=False)
    if taken:
        print(
            f"{taken.total()} failed records ({_listed(taken)}) were moved to {folder / SUPERSEDED}. "
            "Run the same job again to compute them."
        )
    else:
        print(f"No failed record {'' if codes is None else 'with such a code '}is in {folder}.")
    if left:
        print(f"{left.total()} failed records stay ({_listed(left)}).")
    return EXIT_OK


def add_stats_arguments(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a page")


def run_stats(chosen: argparse.Namespace) -> int:
    """Only reads, so it may be asked while a run is writing: it then tells of the lines that are there."""
    folder: Path = chosen.folder
    _check(folder)
    stats = read_stats(folder)
    print(json.dumps(stats.as_json(), ensure_ascii=False) if chosen.json else _page(folder, stats))
    return EXIT_OK


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the output folder of the job")


def _check(folder: Path) -> None:
    if not folder.is_dir() or not shard_paths(folder):
        raise OutputError(
            "resultsAbsent",
            f"There are no results in {folder}: it has no {RESULTS}. Name the output folder of a job that has run.",
        )


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Keeps every run away. Raises OutputError `outputInUse` when one is there."""
    _check(folder)
    with LineFile(folder / PROGRESS, locked=True), lock_shards(folder):
        yield


def _input_lines(folder: Path) -> dict[str, int]:
    return {record.id: record.line for record in read_requests(folder) or ()}


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _page(folder: Path, stats: Stats) -> str:
    lines = [f"{stats.records} records in {folder}: {stats.answered} answered, {stats.failed} failed."]
    for title, counts in (("finish reasons", stats.finish_reasons), ("errors", stats.errors), ("notes", stats.notes)):
        if counts:
            lines.append(f"{title}: {_listed(counts)}")
    lines.append(
        f"tokens: {stats.prompt_tokens} in, {stats.completion_tokens} out, "
        f"{stats.tokens_per_second:g} out per second over {stats.busy_seconds:g} s of generating"
    )
    if stats.truncated_thinking:
        lines.append(
            f"{stats.truncated_thinking} answers ended while the model was still thinking: their content is empty. "
            "Raise max_new_tokens or switch thinking off."
        )
    if stats.at_limit:
        lines.append(f"{stats.at_limit} answers ended at max_new_tokens, not by themselves.")
    lines += _table(stats)
    if stats.unreadable:
        lines.append(f"{stats.unreadable} lines could not be read; the next run sets them aside.")
    return "\n".join(lines)


def _table(stats: Stats) -> list[str]:
    """Percentiles, one row for each quantity."""
    if not stats.answered:
        return []
    rows = {"prompt tokens": stats.prompt_lengths, "answer tokens": stats.answer_lengths, "seconds": stats.seconds}
    lines = [f"{'':14}" + "".join(f"{head:>10}" for head in stats.seconds)]
    for name, values in rows.items():
        lines.append(f"{name:14}" + "".join(f"{value:>10g}" for value in values.values()))
    return lines
