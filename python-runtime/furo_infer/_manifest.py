"""`<output>/manifest.json`: what made the results here, in enough detail to make them again. Replaced whole.

    model, input, job     as of the latest run, with checksums
    runs                  one entry for each run that wrote here: job id, times, versions, plan, peak memory, counts

Beside it, `requests.jsonl` names every record of the latest input with the beginning of its request hash, in order; it
tells the next run what has changed, and `merge` the order. Versions are read from what is installed: never imports
torch.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import __version__
from ._errors import InputError
from ._events import Counts
from ._files import replace_file, write_atomically
from ._job import Job
from ._merge import Wanted
from ._shards import whole_lines

__all__ = ["MANIFEST", "REQUESTS", "Manifest", "Requested", "read_requests"]

MANIFEST = "manifest.json"
REQUESTS = "requests.jsonl"
VERSION = 1
PACKAGES = ("torch", "transformers", "accelerate", "safetensors", "tokenizers", "lmdeploy", "vllm")
# 64 bits tell a changed record from an unchanged one; the lines of results have the whole hash.
HASH_DIGITS = 16
CHUNK = 1 << 20


@dataclass(frozen=True)
class Requested:
    """A record as requests.jsonl remembers it; `line` counts from 1, `request_sha256` is its beginning."""

    id: str
    line: int
    request_sha256: str


def read_requests(folder: Path) -> list[Requested] | None:
    """The records of the latest run in `folder`, in the order of its input; None when that is not known."""
    found = []
    for number, (_, line) in enumerate(whole_lines(folder / REQUESTS), start=1):
        try:
            identity, digest = json.loads(line)
        except (ValueError, TypeError):
            return None
        found.append(Requested(str(identity), number, str(digest)))
    return found or None


class Manifest:
    """Of the one process that leads a run. `change` is a sentence when the input is not that of the run before."""

    def __init__(
        self,
        folder: Path,
        job: Job,
        records: Sequence[Wanted],
        job_id: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.path = folder / MANIFEST
        self._now = now
        self._folder = folder
        self._records = records
        self.change = _change(read_requests(folder), records)
        before = _read(self.path)
        self._run: dict[str, Any] = {
            "job_id": job_id,
            "host": socket.gethostname(),
            "started": _iso(now()),
            "ended": None,
            "exit_code": None,
            "versions": _versions(),
            "layout": None,
            "counts": None,
            "peak_memory_bytes": [],
        }
        self._value: dict[str, Any] = {
            "version": VERSION,
            "model": {"name": job.model, "revision": job.revision, "config_sha256": None},
            "input": {"path": str(job.input), "sha256": _sha256_of(job.input), "records": len(records)},
            "job": _plain(asdict(job)),
            "runs": [*before, self._run],
        }

    def begin(self) -> None:
        """Writes both files. Raises OutputError."""
        replace_file(self._folder / REQUESTS, lambda file: file.writelines(_request_lines(self._records)))
        self._write()

    def loaded(self, config: Path | None, backend: str, plan: str, dtype: str, device: str) -> None:
        """What the model was loaded from and as; `config` is its config.json, `plan` such as "2x1x4"."""
        if config is not None and config.is_file():
            self._value["model"]["config_sha256"] = _sha256_of(config)
        self._run["layout"] = {"backend": backend, "plan": plan, "dtype": dtype, "device": device}
        self._write()

    def end(
        self, counts: Counts, exit_code: int, peak_memory_bytes: Sequence[int] = (), seconds: float | None = None
    ) -> None:
        """`peak_memory_bytes` of each rank, in order, as its engine measured; `seconds` of generating."""
        self._run["ended"] = _iso(self._now())
        self._run["exit_code"] = exit_code
        self._run["peak_memory_bytes"] = list(peak_memory_bytes)
        self._run["counts"] = {**asdict(counts), "seconds": None if seconds is None else round(seconds, 3)}
        self._write()

    def _write(self) -> None:
        write_atomically(self.path, json.dumps(self._value, ensure_ascii=False, indent=2) + "\n")


def _request_lines(records: Sequence[Wanted]) -> Iterator[bytes]:
    for record in records:
        pair = [record.id, record.request_sha256[:HASH_DIGITS]]
        yield json.dumps(pair, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


def _change(before: Sequence[Requested] | None, records: Sequence[Wanted]) -> str | None:
    if before is None:
        return None
    hashes = {record.id: record.request_sha256 for record in before}
    old = [hashes.get(record.id) for record in records]
    new = old.count(None)
    changed = sum(
        digest is not None and not record.request_sha256.startswith(digest)
        for digest, record in zip(old, records, strict=True)
    )
    gone = len(before) - (len(records) - new)
    if new == changed == gone == 0:
        return None
    return (
        f"The requests are not those of the run before: {_are(new, 'new')}, {_are(changed, 'changed')}, "
        f"{_are(gone, 'gone')} of {len(before)}; only new and changed ones are computed."
    )


def _are(count: int, what: str) -> str:
    return f"{count} {'is' if count == 1 else 'are'} {what}"


def _read(path: Path) -> list[Any]:
    """The runs of the manifest that is there; a damaged one is begun anew, since nothing else depends on it."""
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return runs if isinstance(runs, list) else []


def _versions() -> dict[str, str]:
    versions = {"furo_infer": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError("inputUnreadable", f"{path} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """JSON of what a job holds: paths as text, tuples as lists."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
