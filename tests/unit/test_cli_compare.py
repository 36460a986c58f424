"""``amin compare``: a table on the screen, a page and tables on disk."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from amin.cli import main


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["amin", "compare", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_without_a_trace_it_compares_on_lmsys_like_requests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every policy has a row; the page, the table and the runs are there."""
    options = ["--num-requests", 80, "--seeds", 2, "--out", tmp_path]
    assert _run(monkeypatch, *options) == 0
    printed = capsys.readouterr()
    for name in ("vllm-priority@0.05", "expected-volume+1~10", "smallest-volume"):
        assert name in printed.out
    assert "simulating: 22/22" in printed.err
    assert "amin compare" in (tmp_path / "index.html").read_text()
    assert (tmp_path / "table.md").read_text().count("\n") == 2 + 11
    assert (tmp_path / "runs.csv").read_text().count("\n") == 1 + 22
    assert len(list((tmp_path / "cells").iterdir())) == 22


def test_a_trace_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its own times, unless a load is asked for."""
    trace = tmp_path / "t.csv"
    rows = "".join(f"{i},10,{20 + i}\n" for i in range(20))
    trace.write_text("arrival_time,num_prompt_tokens,num_output_tokens\n" + rows)
    options = ["--trace", trace, "--policies", "vllm-fcfs,amax", "--seeds", 1, "--out", tmp_path]
    assert _run(monkeypatch, *options, "--kv-tokens", 256) == 0
    own = " ".join(capsys.readouterr().out.split())
    assert _run(monkeypatch, *options, "--kv-tokens", 256, "--load", 3) == 0
    assert "load 3.00 x capacity" in " ".join(capsys.readouterr().out.split())
    assert "load 3.00 x capacity" not in own


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--policies", "vllm-fcfs,amin"], ["policy", "'amin'", "amin-static"]),
        (["--trace", "nowhere.csv"], ["workload", "nowhere.csv", "allowed: a file"]),
        (["--workload", "mine"], ["workload", "'mine'", "lmsys-like"]),
        (["--load", "-1"], ["load", "-1", "allowed: > 0"]),
        (["--kv-tokens", "1"], ["kv_tokens", "1", "a block at least (16)"]),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    options: list[str],
    words: list[str],
) -> None:
    """Field, value and what is allowed; nothing is written."""
    out = tmp_path / "out"
    assert _run(monkeypatch, *options, "--out", out) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert all(word in error for word in words), error
    assert not out.exists()
