"""environment-furo.yml: what it pins is what the code, the tests and the packages themselves ask for."""

from __future__ import annotations

import importlib.metadata
import re
from typing import Any

import pytest
import tomllib
import yaml
from conftest import RUNTIME
from packaging.requirements import Requirement
from packaging.version import Version

from furo_infer._preflight_report import has_kernels

V100 = (7, 0)
# torch.cuda.get_arch_list() of torch 2.6.0+cu124, and of a build for CUDA 13.
KERNELS = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
KERNELS_OF_CUDA_13 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")


@pytest.fixture(scope="module")
def text() -> str:
    return (RUNTIME / "environment-furo.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pins(text: str) -> dict[str, str]:
    [lines] = [one["pip"] for one in yaml.safe_load(text)["dependencies"] if isinstance(one, dict)]
    # conda hands them to pip as lines; YAML reads some that are not in quotes as something else.
    assert [line for line in lines if not isinstance(line, str)] == []
    assert [line for line in lines if "==" not in line] == ["--only-binary=:all:"], "every package has an exact version"
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((RUNTIME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def accepts(requirement: Requirement, version: str) -> bool:
    return requirement.specifier.contains(Version(version), prereleases=True)


def required(package: str, extra: str = "") -> list[Requirement]:
    """What an installed package asks for by itself, and with `extra`."""
    found = [Requirement(line) for line in importlib.metadata.requires(package) or []]
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": extra})]


def test_torch_is_the_one_with_kernels_for_the_v100(text: str, pins: dict[str, str]) -> None:
    """Its wheel on PyPI is the one for CUDA 12.4; the words of `check` name it as the cure."""
    assert pins["torch"] == "2.6.0"
    assert "CUDA 12.4" in text
    said = (RUNTIME / "furo_infer" / "_preflight_report.py").read_text(encoding="utf-8")
    assert f"Install torch {pins['torch']}+cu124 as environment-furo.yml says." in said
    assert has_kernels(V100, KERNELS)
    assert not has_kernels(V100, KERNELS_OF_CUDA_13)


def test_every_dependency_comes_in_a_version_that_furo_infer_takes(pins: dict[str, str], project: Any) -> None:
    wanted = [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"]["json"])]
    brought = {one.name for package in ("transformers", "accelerate") for one in required(package)}
    for requirement in wanted:
        if requirement.name in pins:
            assert accepts(requirement, pins[requirement.name]), f"{requirement} and {pins[requirement.name]}"
        else:
            assert requirement.name in brought, f"nothing installs {requirement.name}"


def test_python_is_one_that_furo_infer_takes(text: str, project: Any) -> None:
    [line] = re.findall(r"- python=(\S+)", text)
    assert accepts(Requirement(f"python{project['requires-python']}"), line)


def test_the_tests_run_with_the_pinned_libraries(pins: dict[str, str]) -> None:
    """All but torch and numpy, of which a machine with V100s needs older ones, and llguidance."""
    lines = (RUNTIME / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if "==" in line)
    same = ("transformers", "tokenizers", "safetensors", "accelerate", "jinja2")
    assert {name: pins[name] for name in same} == {name: tested[name] for name in same}
    assert Version(pins["numpy"]) <= Version("2.2.6"), "the last with a wheel for glibc 2.17"


@pytest.mark.newest  # asks the installed packages, which are the pinned ones then
def test_the_pinned_packages_accept_each_other(pins: dict[str, str]) -> None:
    for package, extra in (("transformers", "torch"), ("accelerate", ""), ("tokenizers", ""), ("safetensors", "torch")):
        assert importlib.metadata.version(package) == pins[package]
        for requirement in required(package, extra):
            if requirement.name in pins:
                assert accepts(requirement, pins[requirement.name]), f"{package} asks for {requirement}"
