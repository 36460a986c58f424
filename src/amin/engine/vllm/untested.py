"""What is done about a vLLM that is newer than any that amin was tested with: it is tested first.

The test (`amin.engine.vllm.self_test`) runs in a process of its own, since it makes schedulers, and
those of a server are not to be touched by a test.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys

from amin.engine.vllm.versions import TESTED, installed_version, is_newer_than_tested
from amin.errors import UnsupportedEngineError

SELF_TEST = "amin.engine.vllm.self_test"

IS_SELF_TEST = "AMIN_SELF_TEST"
"""Set in the process that tests, whose schedulers must not start another."""

PREFIX = "amin self-test: "

DEADLINE = 180.0
"""Seconds; nearly all of them go into importing vLLM."""


def problems_in_own_process() -> list[str]:
    """`problems`, found by another process: a server's own is not to be touched by a test."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", SELF_TEST],
            env={**os.environ, IS_SELF_TEST: "1", "VLLM_LOGGING_LEVEL": "ERROR"},
            capture_output=True, text=True, timeout=DEADLINE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"the self-test did not run to its end: {error}"]
    found = [line for line in done.stdout.splitlines() if line.startswith(PREFIX)]
    if done.returncode == 0:
        return []
    last = done.stderr.strip().splitlines()[-1:] or ["no word"]
    return [line.removeprefix(PREFIX) for line in found] or [f"the self-test failed: {last[0]}"]


def require_it_passes_if_newer(logger: logging.Logger) -> None:
    """On a vLLM newer than tested: warn, and test it.

    Raises `UnsupportedEngineError` with the list of what is wrong, if anything is.
    """
    version = installed_version()
    if IS_SELF_TEST in os.environ or not is_newer_than_tested(version):
        return
    logger.warning(
        "amin: vLLM %s is newer than any that amin was tested with (%s); testing it now",
        version,
        TESTED[-1],
    )
    found = problems_in_own_process()
    if found:
        raise UnsupportedEngineError(
            f"vLLM {version} is newer than tested ({TESTED[-1]}), and the self-test fails: "
            f"{'; '.join(found)}"
        )
