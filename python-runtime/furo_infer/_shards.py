"""The files that results lie in: results.jsonl, one more shard for each further replica, and what was set aside.

    results.jsonl             replica 0, and after a merge everything, in the order of the input
    results-0001.jsonl ...    replica 1 and the following, until they are merged
    results.superseded.jsonl  lines that no longer hold; a line that stands here is dead wherever else it is found

Knows the names, and what a line of test/fixtures/contract/results.jsonl says about itself; which line holds is for
`_merge` to say. Never imports torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from ._files import LineFile, output_refused

__all__ = [
    "RESULTS",
    "SUPERSEDED",
    "Summary",
    "digest_of",
    "json_line",
    "lock_shards",
    "shard_name",
    "shard_paths",
    "summary_of",
    "whole_lines",
]

RESULTS = "results.jsonl"
SUPERSEDED = "results.superseded.jsonl"
SHARD = re.compile(r"results-(\d{4,})\.jsonl")


def shard_name(replica: int) -> str:
    """The file that replica number `replica`, from 0, appends to."""
    return RESULTS if replica == 0 else f"results-{replica:04d}.jsonl"


def shard_paths(folder: Path) -> list[Path]:
    """Every shard there is, results.jsonl first, then by number. Raises OutputError when the folder cannot be read."""
    try:
        found = {int(match[1]): path for path in folder.iterdir() if (match := SHARD.fullmatch(path.name))}
        first = folder / RESULTS
        return [first] * first.exists() + [found[number] for number in sorted(found)]
    except OSError as error:
        raise output_refused(folder, error) from error


@contextlib.contextmanager
def lock_shards(folder: Path) -> Iterator[None]:
    """While entered, no run writes to a shard of `folder`; torn tails are cut. Raises OutputError `outputInUse` when
    one is writing. Where the file system knows no locks, nothing keeps it away."""
    with ExitStack() as locked:
        for path in shard_paths(folder):
            locked.enter_context(LineFile(path, locked=True))
        yield


class Summary(NamedTuple):
    """What a line says about itself. `code` is that of its error, None for an answer; `line` the record's line in the
    input, from 1."""

    id: str
    request_sha256: str
    attempt: int
    code: str | None
    line: int


def summary_of(line: bytes) -> Summary | None:
    """None when the line is none of ours: damaged, or written by something else."""
    try:
        value = json.loads(line)
        runtime, error = value["x_runtime"], value["error"]
        code = None if error is None else str(error["code"])
        return Summary(
            str(value["custom_id"]), str(runtime["request_sha256"]), int(runtime["attempt"]), code, int(runtime["line"])
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(offset in bytes, line without its break) of every line that ends; a torn tail is passed over."""
    offset = 0
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield offset, line[:-1]
                offset += len(line)
    except FileNotFoundError:
        return
    except OSError as error:
        raise output_refused(path, error) from error


def json_line(value: Mapping[str, Any]) -> str:
    """One line of JSON without its break; Japanese and the like stay as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def digest_of(line: bytes) -> bytes:
    """Of the line as results.superseded.jsonl keeps it: what is no UTF-8 is replaced there."""
    return hashlib.blake2b(line.decode("utf-8", "replace").encode("utf-8"), digest_size=16).digest()
