"""Logs with broken lines, at every command that reads one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from amin.cli import cli
from amin.errors import ConfigError

ENGINE = ("--kv-tokens", "4096", "--step-time", "linear:0.03,0.0001")


@pytest.mark.parametrize("at", [0, 1, 20])
@pytest.mark.parametrize(
    "command",
    [
        ("log",),
        ("simulate", *ENGINE, "--trace"),
        ("compare", *ENGINE, "--seeds", "1", "--out", "compared", "--trace"),
        ("advise", *ENGINE, "--out", "advised", "--trace"),
        ("predictor", "evaluate", "--out", "evaluated", "--trace"),
    ],
    ids=lambda command: command[0],
)
def test_broken_lines_are_refused_or_left_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    at: int,
) -> None:
    """Wherever they are, the first line among them: named without the flag, and counted with it."""
    monkeypatch.chdir(tmp_path)
    lines = [
        json.dumps({"arrival_time": i, "num_prompt_tokens": 9, "num_output_tokens": 5 + i})
        for i in range(20)
    ]
    lines.insert(at, '"num_output_tokens": 5}')
    Path("log.jsonl").write_text("\n".join(lines))
    refused = CliRunner().invoke(cli, [*command, "log.jsonl"])
    assert isinstance(refused.exception, ConfigError)
    words = rf"line {at + 1}: .*1 of 21 lines are broken; --skip-broken leaves them out"
    with pytest.raises(ConfigError, match=words):
        raise refused.exception
    done = CliRunner().invoke(cli, [*command, "log.jsonl", "--skip-broken"])
    assert done.exit_code == 0, done.output
    said = "1 broken lines" if command == ("log",) else "1 left out: broken"
    assert said in done.output
