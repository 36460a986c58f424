"""``amin predictor train``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from amin.cli.predictor import predictor
from amin.predictor.text import read_text_model


def _log(path: Path, *more: str) -> Path:
    rows = [
        {"prompt": f"{kind} {i}", "num_output_tokens": length}
        for i in range(60)
        for kind, length in (("essay", 800), ("word", 5))
    ]
    path.write_text("\n".join([*map(json.dumps, rows), *more]), encoding="utf-8")
    return path


def _run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(predictor, ["train", *map(str, arguments)])
    return done.exit_code, done.output + str(done.exception or "")


def test_a_log_becomes_a_model(tmp_path: Path) -> None:
    """Its file is read by ``text:PATH``; the output says how good it is."""
    code, output = _run(_log(tmp_path / "l.jsonl"), "--out", tmp_path / "m.npz")
    assert code == 0, output
    assert "120 prompts, 120 replies" in output
    assert len(read_text_model(tmp_path / "m.npz").quantiles) == 4


def test_broken_lines_are_left_out_on_request(tmp_path: Path) -> None:
    """Else nothing is trained, and nothing written."""
    log, out = _log(tmp_path / "l.jsonl", "{broken", "[]"), tmp_path / "m.npz"
    code, output = _run(log, "--out", out)
    assert code != 0
    assert "line 121: not JSON" in output
    assert "2 of 122 lines are broken" in output
    assert not out.exists()
    code, output = _run(log, "--out", out, "--skip-broken")
    assert code == 0, output
    assert "2 broken lines left out" in output


@pytest.mark.parametrize(
    ("more", "words"),
    [('{"num_prompt_tokens": 3, "num_output_tokens": 4}', "lines without a prompt")],
)
def test_what_cannot_be_trained_on_is_named(tmp_path: Path, more: str, words: str) -> None:
    """A line without a text."""
    code, output = _run(_log(tmp_path / "l.jsonl", more), "--out", tmp_path / "m.npz")
    assert code != 0
    assert words in output
