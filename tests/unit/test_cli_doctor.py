"""``amin doctor``: what it finds, and what is in the way."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from amin.cli import cli
from amin.engine.vllm import untested


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMIN_CONFIG", raising=False)
    monkeypatch.setattr(metadata, "version", lambda name: "0.32.0")
    monkeypatch.setattr(untested, "problems_in_own_process", list)


def _doctor(*options: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["doctor", *options])
    return done.exit_code, done.output


def test_where_all_is_well() -> None:
    """Exit code 0; versions, settings and where they come from, cache, files, middleware."""
    code, output = _doctor()
    assert code == 0
    for words in (
        "0.32.0, tested: 0.24.0 to",
        "decides as on the versions that were tested",
        "defaults: policy expected-volume, predictor online, tail promise 1",
        "compile cache",
        "no files",
        "--middleware amin.engine.vllm.HintMiddleware",
    ):
        assert words in output
    assert not [line for line in output.splitlines() if line.startswith("!")]


def test_a_self_test_that_fails_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, and what failed; without the test it is not known."""
    found = ["missing in vLLM: Scheduler.schedule", "golden run of fcfs: request a differs"]
    monkeypatch.setattr(untested, "problems_in_own_process", lambda: found)
    code, output = _doctor()
    assert code == 1
    assert f"! self-test       {'; '.join(found)}" in output
    assert _doctor("--no-self-test")[0] == 0


@pytest.mark.parametrize("version", ["0.23.0", None])
def test_an_engine_that_is_too_old_or_missing_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    """Exit code 1, with the range that would do."""

    def installed(name: str) -> str:
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", installed)
    code, output = _doctor()
    assert code == 1
    assert "! vLLM" in output
    assert "supported: " in output


def test_settings_are_read_where_the_server_reads_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """AMIN_CONFIG; wrong ones are in the way, and so is a file that cannot be written."""
    log = str(tmp_path / "log.jsonl")
    monkeypatch.setenv("AMIN_CONFIG", json.dumps({"policy": "amax", "log_file": log}))
    code, output = _doctor()
    assert code == 0
    assert "AMIN_CONFIG: policy amax" in output
    assert f"{log}: not there yet" in output
    monkeypatch.setenv("AMIN_CONFIG", json.dumps({"log_file": "/no/such/log.jsonl"}))
    code, output = _doctor()
    assert code == 1
    assert "! settings" in output
