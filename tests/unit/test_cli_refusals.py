"""What a user can mend is said at once, in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from amin.cli import main
from amin.experiment.setting import Setting

HEADER = "arrival_time,num_prompt_tokens,num_output_tokens,client\n"
POLICY = """
from amin.policy.interface import Policy

def first(r):
    return r.num_prompt_tokens

MINE = Policy(name="mine", summary="shortest prompt first", order=first, preemption_order=first)
"""


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["amin", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A sound trace."""
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "".join(f"{i},10,{20 + i},a\n" for i in range(20)))
    return path


def test_the_package_runs_as_a_module() -> None:
    """``python -m amin`` is the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "amin", "--version"], capture_output=True, check=True
    )
    assert b"amin, version" in done.stdout


def test_a_missing_trace_is_said_before_anything_is_compiled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine is not made."""
    monkeypatch.setattr(Setting, "engine", lambda self: pytest.fail("compiled"))
    assert _run(monkeypatch, "simulate", "--trace", "nowhere.csv", "--kv-tokens", 100) == 2
    assert "got 'nowhere.csv', allowed: a file or" in capsys.readouterr().err


def test_a_row_that_is_cut_off_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trace: Path
) -> None:
    """In a file that names clients, too; with --skip-broken it is left out and counted."""
    trace.write_text(trace.read_text() + "20,10,30\n21,10,0,a\n22,x,5,a\n23,10,5,a\n")
    options = ["simulate", "--trace", trace, "--kv-tokens", 1000, "--json"]
    assert _run(monkeypatch, *options) == 2
    assert "row 24: num_prompt_tokens: got 'x'" in capsys.readouterr().err
    assert _run(monkeypatch, *options, "--skip-broken") == 0
    assert '"num_finished": 21' in capsys.readouterr().out
    trace.write_text(HEADER + "0,10,20,a\n1,10,30\n")
    assert _run(monkeypatch, *options) == 2
    assert "row 3: 3 cells, allowed: 4, as the header" in capsys.readouterr().err


def test_left_out_rows_are_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trace: Path
) -> None:
    """And said, with what the file was taken for."""
    trace.write_text(trace.read_text() + "20,10,30\n21,10,0,a\n")
    _run(monkeypatch, "simulate", "--trace", trace, "--kv-tokens", 1000, "--skip-broken")
    first = next(line for line in capsys.readouterr().out.splitlines() if str(trace) in line)
    assert f"{trace}: amin: 20 requests over 19 s" in first
    assert "1 left out: broken; 1 left out: without a reply" in first


@pytest.mark.parametrize("name", ["mine_policy:MINE", "./mine_policy.py:MINE"])
def test_a_policy_in_the_current_folder_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trace: Path, name: str
) -> None:
    """By its module's name, without PYTHONPATH, and by its file."""
    (tmp_path / "mine_policy.py").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one != str(tmp_path)])
    monkeypatch.delitem(sys.modules, "mine_policy", raising=False)
    options = ["--trace", trace, "--policies", f"vllm-fcfs,{name}", "--seeds", 1, "--out", "out"]
    assert _run(monkeypatch, "compare", *options, "--kv-tokens", 256) == 0


@pytest.mark.parametrize("name", ["./none.py:POLICY", "./t.csv:POLICY", ".:X", "os.path:join"])
def test_a_policy_that_cannot_be_had_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    trace: Path,
    name: str,
) -> None:
    """Whatever the path leads to."""
    monkeypatch.chdir(tmp_path)
    options = ["--trace", trace, "--policies", f"vllm-fcfs,{name}", "--out", "out"]
    assert _run(monkeypatch, "compare", *options, "--kv-tokens", 256) == 2
    assert capsys.readouterr().err.startswith("amin: policy: ")


@pytest.mark.parametrize("command", [("compare",), ("advise", "--kv-tokens", 100), ("map",)])
def test_an_output_folder_below_a_file_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trace: Path,
    command: tuple[object, ...],
) -> None:
    """And not after the simulation."""
    monkeypatch.setattr(Setting, "engine", lambda self: pytest.fail("simulated"))
    assert _run(monkeypatch, *command, "--out", trace / "below") == 2
    assert "is a file, allowed: a folder" in capsys.readouterr().err


def test_a_class_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its name is printed with what would do so written out."""
    path = tmp_path / "t.csv"
    rows = "".join(f"{i},10,{20 + i % 3},\x1b[31mred{i % 2}\x1b[0m\n" for i in range(3000))
    path.write_text(HEADER.replace("client", "predicted_class") + rows)
    options = ["--trace", path, "--predictor", "constant:5", "--out", tmp_path / "out"]
    assert _run(monkeypatch, "predictor", "evaluate", *options) == 0
    printed = capsys.readouterr().out
    assert "\x1b[31m" not in printed
    assert "\\x1b[31mred" in printed


def test_kv_tokens_may_be_written_as_vllm_prints_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trace: Path
) -> None:
    """``GPU KV cache size: 8,192 tokens`` is copied as it is; words are refused."""
    options = ["simulate", "--trace", trace, "--json", "--kv-tokens"]
    assert _run(monkeypatch, *options, "8,192") == 0
    assert '"kv_tokens": 8192' in capsys.readouterr().out
    assert _run(monkeypatch, *options, "many") == 2
    assert "allowed: a number like 65536 or 65,536" in capsys.readouterr().err
