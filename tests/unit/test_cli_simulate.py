"""``amin simulate``: a trace in, numbers out, and one line where something is wrong."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from amin.cli import main

HEADER = "arrival_time,num_prompt_tokens,num_output_tokens"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Three requests, the last of which can never fit into 20 tokens."""
    path = tmp_path / "trace.csv"
    path.write_text(f"{HEADER}\n0,4,6\n0,5,5\n2,30,1\n")
    return path


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["amin", "simulate", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def _json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> dict[str, Any]:
    assert _run(monkeypatch, *arguments, "--json") == 0
    read: dict[str, Any] = json.loads(capsys.readouterr().out)
    return read


def test_json_has_the_numbers_of_the_papers_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trace: Path
) -> None:
    """Both fit together until 4 + a + 5 + a = 20: latencies 6 and 5, nothing preempted."""
    got = _json(monkeypatch, capsys, "--trace", trace, "--kv-tokens", 20, "--paper")
    assert got["mean_e2e_latency"] == 5.5
    assert got["peak_kv_tokens"] == 19
    assert (got["num_finished"], got["num_rejected"], got["num_preemptions"]) == (2, 1, 0)
    assert got["rho"] is None
    assert got["wall_time_s"] > 0


def test_step_times_are_those_that_were_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trace: Path
) -> None:
    """The first step computes 9 prompt tokens, the next four decode two, the last one decodes one.

    Six steps of 1 s, 9 + 4 x 2 + 1 tokens of 0.5 s.
    """
    options = ["--kv-tokens", 20, "--step-time", "linear:1,0.5", "--policy", "vllm-fcfs"]
    options += ["--block-size", 1]
    got = _json(monkeypatch, capsys, "--trace", trace, *options)
    assert got["makespan"] == 6 + 0.5 * 18


def test_records_have_a_row_per_request_in_the_traces_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trace: Path
) -> None:
    """Ids are row numbers from 0 where the trace has none; one that was rejected has a row too."""
    out = tmp_path / "records.csv"
    options = ["--trace", trace, "--kv-tokens", 20, "--paper", "--records", out]
    assert _run(monkeypatch, *options) == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["request_id"] for row in rows] == ["0", "1", "2"]
    assert [row["finish_time"] for row in rows] == ["6.0", "5.0", "nan"]
    assert [row["status"] for row in rows] == ["finished", "finished", "rejected"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("policy", ["vllm-fcfs", "amin-dynamic"])
def test_prints_a_table_for_people(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trace: Path,
    policy: str,
) -> None:
    """The policy's name, the load and what was rejected."""
    options = ["--trace", trace, "--kv-tokens", 20, "--paper", "--policy", policy]
    assert _run(monkeypatch, *options) == 0
    printed = capsys.readouterr().out
    assert policy in printed
    assert "load all at once" in printed
    assert "1 rejected" in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kv-tokens", "0"], ["kv_tokens", "0", "allowed"]),
        (["--policy", "amin"], ["policy", "'amin'", "amin-static", "vllm-fcfs"]),
        (["--step-time", "fast"], ["step_time", "'fast'", "unit"]),
        (["--eviction", "drop"], ["eviction", "'drop'", "recompute, restart, swap"]),
        (["--block-size", "0"], ["block_size", "0", "allowed"]),
        (["--block-size", "64"], ["kv_tokens", "20", "a block at least (64)"]),
        (["--watermark", "1.5"], ["watermark", "1.5", "allowed"]),
        (["--predictor", "psychic"], ["predictor", "psychic"]),
        (["--trace", "nowhere.csv"], ["nowhere.csv", "allowed: a file"]),
        (["--records", "/nowhere/r.csv"], ["--records", "/nowhere/r.csv", "cannot be written"]),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trace: Path,
    options: list[str],
    words: list[str],
) -> None:
    """Field, value and what is allowed; no traceback."""
    assert _run(monkeypatch, "--trace", trace, "--kv-tokens", 20, *options) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert all(word in error for word in words), error


def test_a_policy_that_never_lets_anybody_finish_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Preempting whoever has made most, under restart, is a livelock: one line, never a hang."""
    (tmp_path / "broken_policy.py").write_text(
        "from amin.policy.interface import Policy\n"
        "def first(r): return r.arrival_index\n"
        "def most_leaves(r): return -r.num_output_tokens\n"
        "MINE = Policy('mine', 'never ends', order=first, preemption_order=most_leaves)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    trace = tmp_path / "t.csv"
    trace.write_text(f"{HEADER}\n0,5,12\n0,5,12\n")
    options = ["--trace", trace, "--kv-tokens", 20, "--paper", "--policy", "broken_policy:MINE"]
    assert _run(monkeypatch, *options) == 2
    assert "livelock" in capsys.readouterr().err


def test_a_closed_loop_of_two_users_takes_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Four requests of 5 steps, two at a time, with a pause of 3 between: 5 + 3 + 5 steps."""
    path = tmp_path / "trace.csv"
    path.write_text(f"{HEADER}\n" + "0,4,5\n" * 4)
    options = "--trace", path, "--kv-tokens", 99, "--paper", "--closed-loop", 2, "--think-time", 3
    got = _json(monkeypatch, capsys, *options)
    assert got["mean_e2e_latency"] == 5
    assert got["makespan"] == 13
    assert _run(monkeypatch, *options) == 0
    assert "2 users, each of whom waits" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", ["templates", "sessions", "agents", "outliers"])
def test_a_workload_needs_no_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """As many requests of it as asked for, at the load asked for."""
    options = ["--workload", name, "--num-requests", 60, "--kv-tokens", 16384, "--load", 2]
    got = _json(monkeypatch, capsys, *options)
    assert got["num_finished"] == 60
    assert 1 < got["rho"] < 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--closed-loop", 0], "closed_loop: got 0"),
        (["--closed-loop", 2, "--load", 2], "load: got 2.0 in a closed loop"),
        (["--think-time", 2], "think_time: got 2 without closed_loop"),
        (["--workload", "sessions"], "allowed: one of the two"),
    ],
)
def test_a_loop_that_cannot_be_is_refused_in_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trace: Path,
    options: list[object],
    words: str,
) -> None:
    """Field, value and what is allowed."""
    assert _run(monkeypatch, "--trace", trace, "--kv-tokens", 20, *options) == 2
    assert words in capsys.readouterr().err


def test_one_request_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trace: Path
) -> None:
    """In words and as JSON; one that there is not is refused with those that there are."""
    asked = ("--trace", trace, "--kv-tokens", 20, "--paper", "--explain")
    assert _run(monkeypatch, *asked, 1) == 0
    shown = capsys.readouterr().out
    assert "5 prompt tokens" in shown
    assert "stock FCFS" in shown
    assert "0 that came later were scheduled before it" in shown
    told = _json(monkeypatch, capsys, *asked, 1)["explanation"]
    assert (told["ours"]["finished"], told["num_passed_by"]) == (5.0, 0)
    assert _json(monkeypatch, capsys, *asked, 2)["explanation"]["ours"]["finished"] is None
    assert _run(monkeypatch, *asked, "nobody") == 2
    assert "--explain: got 'nobody', allowed: an id of these, 0 to 2" in capsys.readouterr().err


def test_the_defaults_are_those_of_amin_serve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing said and everything said are the same; each of the paper's is another."""
    asked = "--workload", "lmsys-like", "--load", 1.5, "--num-requests", 300, "--kv-tokens", 8176
    said = [
        *("--policy", "expected-volume", "--tail-promise", 1, "--stream-promise", 10),
        *("--block-size", 16, "--max-num-seqs", 256, "--max-num-batched-tokens", 2048),
        *("--step-time", "linear:0.03,0.00015", "--enable-prefix-caching", "--predictor", "online"),
    ]
    nothing = _json(monkeypatch, capsys, *asked)
    everything = _json(monkeypatch, capsys, *asked, *said)
    differing = {name for name in nothing if nothing[name] != everything[name]}
    assert differing <= {"wall_time_s", "assumed"}
    for option in (
        ("--tail-promise", "off"),
        ("--stream-promise", "off"),
        ("--no-enable-prefix-caching",),
        ("--policy", "vllm-fcfs"),
        ("--paper",),
    ):
        other = _json(monkeypatch, capsys, *asked, *option)
        assert other["mean_e2e_latency"] != nothing["mean_e2e_latency"], option


def test_what_an_answer_rests_on_comes_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step time that nobody gave is the first line; one that was given is named as such."""
    asked = "--workload", "lmsys-like", "--load", 1.5, "--num-requests", 50, "--kv-tokens", "8,176"
    assert _run(monkeypatch, *asked) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert "Assumed, since nothing else was said: a step takes 30 ms and 150 us" in first
    assert "no GPU's in particular" in first
    for part in ("8,176 tokens, 511 blocks of 16", "256 requests and 2,048 tokens", "caching on"):
        assert part in second
    given = "--step-time", "linear:0.0052,0.000019"
    assert _run(monkeypatch, *asked, *given) == 0
    (first, *_) = capsys.readouterr().out.splitlines()
    assert "Assumed: a step takes 5.2 ms and 19 us for each token computed (given)" in first
    told = _json(monkeypatch, capsys, *asked, *given)["assumed"]
    assert told[0] == {
        "name": "step time",
        "value": "5.2 ms and 19 us for each token computed",
        "source": "given",
    }
