"""Code that a model brings along: run only when it is asked for and cannot change from one run to the next."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import transformers.dynamic_module_utils
from conftest import make_model

from furo_infer import _inspect
from furo_infer._allocation import Allocation
from furo_infer._errors import UsageError
from furo_infer._job import Job
from furo_infer._replicas import Single
from furo_infer.engines import create_engine

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Brought:
    """A model with code of its own, as a folder and in the hub's cache; `ran` is a file that the code writes."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder / "model"
        self.ran = folder / "ran"
        shutil.copytree(model, self.folder)
        path = self.folder / "config.json"
        auto_map = {"AutoConfig": "configuration_brought.BroughtConfig"}
        path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": "brought", "auto_map": auto_map}))
        (self.folder / "configuration_brought.py").write_text(
            f"import pathlib, transformers\npathlib.Path({str(self.ran)!r}).touch()\n"
            "class BroughtConfig(transformers.LlamaConfig):\n    model_type = 'brought'\n"
        )
        repository = folder / "hub" / "models--owner--brought"
        shutil.copytree(self.folder, repository / "snapshots" / COMMIT)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(COMMIT)

    def open(self, model: str, revision: str | None, **changes: Any) -> None:
        job = Job(model, Path("i"), Path("o"), revision=revision, trust_remote_code=True, device="cpu", **changes)
        create_engine(job, Allocation(), Single(), []).open()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def brought(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Brought:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    return Brought(tmp_path, model)


@pytest.mark.parametrize("backend", ["auto", "transformers", "own", "vllm"])
@pytest.mark.parametrize("revision", [None, "main", COMMIT[:12], COMMIT + "0"])
def test_code_of_a_revision_that_can_be_moved_is_refused(brought: Brought, revision: str | None, backend: str) -> None:
    with pytest.raises(UsageError, match="set the revision to its commit") as raised:
        brought.open("owner/brought", revision, backend=backend)
    assert raised.value.reason == "revisionUnpinned"
    assert not brought.ran.exists()


def test_code_of_a_commit_is_run(brought: Brought) -> None:
    brought.open("owner/brought", COMMIT)
    assert brought.ran.exists()


def test_code_of_a_folder_is_run(brought: Brought) -> None:
    brought.open(str(brought.folder), None)
    assert brought.ran.exists()


def test_inspect_refuses_it_too(brought: Brought) -> None:
    with pytest.raises(UsageError, match="no revision is named"):
        _inspect._read_config("owner/brought", None, trust_remote_code=True)
    assert not brought.ran.exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_that_is_taken_from_another_model_is_refused(brought: Brought, file: str) -> None:
    path = brought.folder / file
    auto_map = {"AutoTokenizer": [None, "owner/other--tokenization.Fast"], "AutoConfig": "owner/other--module.Config"}
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": auto_map}))
    with pytest.raises(UsageError, match=r"owner/other--.* from another model") as raised:
        brought.open(str(brought.folder), None)
    assert raised.value.reason == "revisionUnpinned"
    if file == "config.json":
        with pytest.raises(UsageError, match="from another model"):
            _inspect._read_config(str(brought.folder), None, trust_remote_code=True)
    assert not brought.ran.exists()
