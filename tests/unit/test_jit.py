"""Compiled code and its cache, each time in a process of its own with a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import amin

SCRIPT = """
import numpy as np
from amin.engine.rows import hold_nothing
from amin.policy.compiled import COLUMN
table = np.full((1, len(COLUMN)), 77)
hold_nothing(table, 0, 10, 4)
names = ("num_prompt_tokens", "num_output_tokens", "num_computed_tokens", "priority")
print(*(table[0, COLUMN[name]] for name in names))
"""
ANSWER = "10 4 0 77"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of amin's sources."""
    source = Path(amin.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(source, tmp_path / "site" / "amin", ignore=ignored))


def _run(package: Path, *prefix: str, **environment: str) -> str:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "XDG", "AMIN"))}
    done = subprocess.run(
        [*prefix, sys.executable, "-B", "-c", SCRIPT],
        env=inherited | {"PYTHONPATH": str(package.parent)} | environment,
        cwd=package.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _kernels(folder: Path) -> set[Path]:
    return set(folder.rglob("*.nbc"))


def test_kernels_are_kept_in_the_users_cache(package: Path, tmp_path: Path) -> None:
    """A second process finds them and writes none."""
    assert _run(package, AMIN_CACHE=str(tmp_path / "kept")) == ANSWER
    kept = _kernels(tmp_path / "kept")
    times = {path: path.stat().st_mtime_ns for path in kept}
    assert kept
    assert _run(package, AMIN_CACHE=str(tmp_path / "kept")) == ANSWER
    assert {path: path.stat().st_mtime_ns for path in _kernels(tmp_path / "kept")} == times


def test_an_edit_of_the_view_makes_kernels_stale(package: Path, tmp_path: Path) -> None:
    """Columns swap places in request.py; no other file changes, and its time stays what it was."""
    cache = {"AMIN_CACHE": str(tmp_path / "kept")}
    assert _run(package, **cache) == ANSWER
    file = package / "request.py"
    status, text = file.stat(), file.read_text()
    first, second = "    num_output_tokens: int\n", "    priority: int\n    arrival_index: int\n"
    assert text.count(first + "    num_computed") == 1
    assert text.count(second) == 1
    swapped = text.replace(first + "    num_computed", "    num_computed")
    file.write_text(swapped.replace(second, second + first))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert _run(package, **cache) == ANSWER


@pytest.mark.parametrize("damage", [b"", b"no pickle"])
def test_a_damaged_cache_costs_a_compilation(package: Path, tmp_path: Path, damage: bytes) -> None:
    """Whatever lies there in place of the kernels, the answer is right."""
    cache = {"AMIN_CACHE": str(tmp_path / "kept")}
    _run(package, **cache)
    for path in (tmp_path / "kept").rglob("*.nb?"):
        path.write_bytes(damage)
    assert _run(package, **cache) == ANSWER


def _as_nobody() -> tuple[str, ...]:
    """What makes a command run as a user who may read everything and own nothing."""
    if os.getuid():
        return ()
    user = ("--reuid=65534", "--regid=65534", "--clear-groups")
    reads = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return ("setpriv", *user, *reads, "--")


@pytest.mark.skipif(
    os.getuid() == 0 and not shutil.which("setpriv"), reason="root cannot become nobody here"
)
def test_it_starts_where_nothing_can_be_written(package: Path, tmp_path: Path) -> None:
    """An unprivileged user, HOME=/nonexistent, a read-only package: as in many containers."""
    for folder in (package, *package.rglob("*/")):
        folder.chmod(0o555)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o1777)
    prefix = _as_nobody()
    try:
        assert _run(package, *prefix, HOME="/nonexistent", TMPDIR=str(scratch)) == ANSWER
        assert _kernels(scratch)
        # A temporary folder that somebody else prepared is left alone: compiled for this process.
        for kept in scratch.iterdir():
            shutil.rmtree(kept)
            kept.mkdir()
            kept.chmod(0o777)
        assert _run(package, *prefix, HOME="/nonexistent", TMPDIR=str(scratch)) == ANSWER
        assert not _kernels(scratch)
    finally:
        for folder in (package, *package.rglob("*/")):
            folder.chmod(0o755)
