"""On a vLLM that is newer than tested, amin looks whether it decides as before."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amin.engine.vllm import self_test, untested, versions
from amin.errors import UnsupportedEngineError

pytestmark = pytest.mark.dry


@pytest.fixture
def golden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the golden runs, of two policies, that a test may spoil."""
    runs = json.loads(self_test.GOLDEN.read_text())["runs"]
    path = tmp_path / "golden.json"
    path.write_text(json.dumps({"runs": {name: runs[name] for name in ("fcfs", "vllm-fcfs")}}))
    monkeypatch.setattr(self_test, "GOLDEN", path)
    return path


def test_on_this_version_nothing_is_wrong(golden: Path) -> None:
    """Names and golden runs."""
    assert list(self_test.problems()) == []


def test_another_decision_is_named(golden: Path) -> None:
    """The policy and the first request that differs."""
    runs = json.loads(golden.read_text())
    runs["runs"]["fcfs"]["c"][0] += 1
    golden.write_text(json.dumps(runs))
    assert list(self_test.problems()) == ["golden run of fcfs: request c and 0 more differ"]


def test_a_name_that_has_gone_is_named(golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything runs."""
    from amin.engine.vllm.seam import Scheduler

    monkeypatch.setattr(Scheduler, "_free_request", None)
    assert list(self_test.problems()) == ["missing in vLLM: Scheduler._free_request"]


@pytest.mark.parametrize("found", [[], ["golden run of fcfs: request a and 7 more differ"]])
def test_a_newer_version_is_tested_before_it_serves(
    engine_of: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    found: list[str],
) -> None:
    """One line warns; it serves if the test passes, and says what is wrong if it does not."""
    logger = logging.getLogger("vllm.amin")
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "propagate", False)
    caplog.set_level(logging.WARNING, logger=logger.name)
    monkeypatch.setattr(untested, "is_newer_than_tested", lambda version: True)
    monkeypatch.setattr(untested, "problems_in_own_process", lambda: found)
    if found:
        with pytest.raises(UnsupportedEngineError, match="self-test fails: golden run of fcfs"):
            engine_of("amin-static")
    else:
        engine_of("amin-static")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == 30]
    assert len(warnings) == 1
    assert f"is newer than any that amin was tested with ({versions.TESTED[-1]})" in warnings[0]


def test_the_process_of_its_own_says_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """On this version nothing. One that cannot even start is a failure, not silence."""
    assert untested.problems_in_own_process() == []
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert untested.problems_in_own_process() == ["the self-test failed: no word"]
