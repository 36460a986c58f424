"""What a trace says of a predictor, next to counts by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amin.cli import main
from amin.experiment.evaluation import BURN_IN, evaluate, latencies
from amin.experiment.setting import Setting
from amin.experiment.yardsticks import OneFeature, Truth, yardsticks
from amin.predictor.constant import ConstantPredictor
from amin.predictor.online import OnlinePredictor
from amin.workload.generate import generate
from amin.workload.trace import Trace

SIZE, STEP = 1000, "linear:0.03,0.00015"


def _trace(lengths: list[int]) -> Trace:
    output = np.array(lengths, np.int64)
    return Trace.of_lengths(np.full(len(output), 7), output, np.zeros(len(output)))


def test_a_constant_by_hand() -> None:
    """Lengths 1..10 in turn, bound 4: seven in ten reach it; the loss is of the 5 % quantile."""
    found = evaluate(ConstantPredictor(4), _trace(list(range(1, 11)) * 50)).as_dict()
    assert found["coverage"] == pytest.approx(0.7)
    assert (found["mean_lower"], found["mean_true"]) == (4, 5.5)
    below, above = sum((1, 2, 3)), sum((1, 2, 3, 4, 5, 6))
    assert found["pinball"] == pytest.approx((0.95 * below + 0.05 * above) / 10)
    assert found["loglik_gain"] == pytest.approx(0, abs=0.01)
    assert found["rank_correlation"] is None
    assert found["num_requests"] == 500


def test_nothing_is_better_than_the_truth() -> None:
    """It always holds, loses nothing, and tells more than lengths that are learned."""
    trace = generate("reasoning", SIZE, seed=1)
    truth, online = (evaluate(one, trace).as_dict() for one in (Truth(), OnlinePredictor()))
    assert (truth["coverage"], truth["pinball"], truth["rank_correlation"]) == (1, 0, 1)
    assert truth["mean_lower"] == truth["mean_true"]
    assert truth["loglik_gain"] > online["loglik_gain"] + 0.5


def test_groups_and_time() -> None:
    """A client whose replies are all too short for the bound is named with its own coverage."""
    lengths = [2 if i % 2 else 20 for i in range(4000)]
    trace = _trace(lengths)
    client = np.array(["b" if i % 2 else "a" for i in range(4000)], np.object_)
    trace = Trace(**{**vars(trace), "client": client})
    found = evaluate(ConstantPredictor(10), trace)
    assert found.coverage_by_group() == {"client=a": 1, "client=b": 0}
    assert found.coverage_over_time == [0.5] * 10
    assert 0 < BURN_IN < 1


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs ``amin predictor evaluate`` on 300 replies of 3 to 6 tokens."""
    path = tmp_path / "t.csv"
    rows = "".join(f"{i},5,{3 + i % 4}\n" for i in range(300))
    path.write_text("arrival_time,num_prompt_tokens,num_output_tokens\n" + rows)

    def run(*options: str) -> None:
        argv = ["amin", "predictor", "evaluate", "--trace", str(path), *options]
        monkeypatch.setattr(sys, "argv", argv)
        main()

    return run


def test_the_command_prints_json(
    command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """One predictor: an object; several: a list; progress goes elsewhere."""
    command("--json", "--predictor", "constant:3")
    assert json.loads(capsys.readouterr().out)["coverage"] == 1
    command("--json", "--predictor", "constant:4", "--predictor", "calibrated:constant:4")
    names = [row["predictor"] for row in json.loads(capsys.readouterr().out)]
    assert names == ["constant:4", "calibrated:constant:4"]


def test_knowing_more_is_faster() -> None:
    """Under load, told the truth the policy of expected volumes beats being told nothing."""
    trace, setting = (
        generate("lmsys-like", SIZE, seed=1),
        Setting(8176),
    )
    means = [
        latencies(evaluate(one, trace), trace, ["expected-volume"], setting, 1.5)["expected-volume"]
        for one in (Truth(), ConstantPredictor(1))
    ]
    assert means[0][0] < 0.85 * means[1][0] < 0.85


def test_coverage_by_bound() -> None:
    """Bounds that are right where they are low and wrong where they are high are seen to be."""
    trace = _trace([10] * 1000)
    halves = np.arange(1000) % 2
    found = replace(evaluate(ConstantPredictor(5), trace), lower=np.where(halves, 5, 20))
    assert found.coverage_by_bound == [(5, 1)] * 5 + [(20, 0)] * 5


def test_the_page_has_figure_and_tables(
    command: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file, with what the terminal shows."""
    command("--out", str(tmp_path), "--kv-tokens", "320", "--predictor", "constant:3")
    page = (tmp_path / "index.html").read_text()
    assert "amin-dynamic+1" in capsys.readouterr().out
    assert "<svg" in page
    assert page.count("<table") == 2


def test_yardsticks_are_what_the_trace_has() -> None:
    """A class and a client where it names any; the prompt's length and the truth always."""
    trace = _trace([1, 2])
    assert [one.name for one in yardsticks(trace)] == ["prompt length", "truth"]
    names = np.array(["x", "y"], np.object_)
    named = replace(trace, predicted_class=names, client=names)
    found = [one.name for one in yardsticks(named)]
    assert found == ["prompt length", "class", "client", "truth"]


def test_one_feature_sees_nothing_else() -> None:
    """Where the client decides: by the client bounds are the lengths, by the class 5 or 6."""
    number = np.arange(2000)
    trace = replace(
        _trace([5 + 200 * (i % 2) for i in number.tolist()]),
        client=np.array([f"c{i % 2}" for i in number], np.object_),
        predicted_class=np.array([f"{i // 2 % 3}" for i in number], np.object_),
    )
    by_client, by_class = (
        evaluate(OneFeature(name, class_of), trace)
        for name, class_of in (
            ("client", lambda r: r.client),
            ("class", lambda r: r.predicted_class),
        )
    )
    assert by_client.as_dict()["mean_lower"] == pytest.approx(105, rel=0.05)
    assert by_class.as_dict()["mean_lower"] < 7
    assert by_client.as_dict()["loglik_gain"] > 0.6 > 0.1 > by_class.as_dict()["loglik_gain"]
