"""Finds the folder of a model: a path as it is, or a name in the Hugging Face cache, or from the hub.

Knows where models lie; does not load them. Never imports torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ._errors import ModelError, UsageError

__all__ = ["find_model", "json_files", "may_be_hub_name", "refuse_borrowed_code", "refuse_unpinned_code"]

# Weights as safetensors or torch files, and all the small text files; no other framework's weights.
WANTED = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model", "*.py")
OLD_WEIGHTS = ("*.bin", "*.bin.index.json")
COMMIT = re.compile(r"[0-9a-f]{40}")


def find_model(name: str, revision: str | None) -> Path:
    """Raises ModelError `modelNotFound` that says where it looked and what to do."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if (folder / "config.json").is_file():
            return folder
        raise ModelError(
            "modelNotFound",
            f"The folder {folder.resolve()} has no config.json, so it is no Hugging Face model. "
            "Name the folder that holds config.json, the tokenizer and the weights.",
        )
    if not may_be_hub_name(name):
        raise ModelError(
            "modelNotFound",
            f"There is no model at {folder if folder.is_absolute() else folder.absolute()}. "
            "Check the path, or give a hub name such as owner/model.",
        )
    return _from_hub(name, revision)


def refuse_unpinned_code(name: str, revision: str | None) -> None:
    """For a model whose own Python code is to run: raises UsageError unless it is a folder here, whose code can be read
    before, or a commit of the hub, which cannot change. A branch or a tag can."""
    if Path(name).expanduser().is_dir() or (revision is not None and COMMIT.fullmatch(revision)):
        return
    given = "no revision is named" if revision is None else f'the revision "{revision}" can be moved'
    raise UsageError(
        "revisionUnpinned",
        f"The Python code of the model {name} is not run: trust_remote_code is set, but {given}, so that it may "
        "not be the code that was looked at. Read it, then set the revision to its commit (40 hexadecimal digits), "
        "or give the path of a folder that holds the model.",
    )


def refuse_borrowed_code(name: str, files: Iterable[dict[str, Any]]) -> None:
    """`files`: the JSON files of a model whose own code is to run. Raises UsageError where one names code of another
    model ("owner/model--module.Class" in `auto_map`), of which the latest would be fetched whatever is pinned."""
    for file in files:
        borrowed = re.search(r'"([^"]*--[^"]*)"', json.dumps(file.get("auto_map")))
        if borrowed:
            raise UsageError(
                "revisionUnpinned",
                f"The Python code of the model {name} is not run: it takes {borrowed[1]} from another model, of which "
                "no revision is named, so that it may not be the code that was looked at. Download both, put the code "
                'beside the weights and take the name before "--" out of its files, then give the path of that folder.',
            )


def json_files(folder: Path) -> Iterator[dict[str, Any]]:
    """Those in the folder that hold an object; others are for whoever needs them to complain about."""
    for path in sorted(folder.glob("*.json")):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict):
            yield found


def may_be_hub_name(name: str) -> bool:
    return name.count("/") <= 1 and not name.startswith(("/", ".", "~", "\\")) and not name.endswith("/")


def _from_hub(name: str, revision: str | None) -> Path:
    """The cached snapshot if there is one; only else the hub is asked."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    looked = f"no folder {Path(name).absolute()}, and not in the cache {constants.HF_HUB_CACHE}"
    version = f" (revision {revision})" if revision else ""
    try:
        cached = Path(snapshot_download(name, revision=revision, local_files_only=True))
        if (cached / "config.json").is_file():
            return cached
    except (LocalEntryNotFoundError, OfflineModeIsEnabled):
        pass
    except HFValidationError as error:
        raise ModelError("modelNotFound", f"There is no model {name}: {looked}. It is no hub name either.") from error
    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            "modelNotFound",
            f"There is no model {name}{version} on this machine: {looked}, and HF_HUB_OFFLINE forbids to fetch it. "
            f"Download it on the login node first (hf download {name}), or give the path of a folder.",
        )
    try:
        return Path(_download(name, revision))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        first = str(error).strip().split("\n")[0]
        raise ModelError(
            "modelNotFound",
            f"There is no model {name}{version} on this machine: {looked}. The hub did not give it either: {first} "
            f"Download it on the login node first (hf download {name}), or give the path of a folder.",
        ) from error


def _download(name: str, revision: str | None) -> str:
    from huggingface_hub import snapshot_download

    folder: str = snapshot_download(name, revision=revision, allow_patterns=list(WANTED), etag_timeout=10)
    if not any(Path(folder).glob("*.safetensors")):
        folder = snapshot_download(name, revision=revision, allow_patterns=[*WANTED, *OLD_WEIGHTS], etag_timeout=10)
    return folder
