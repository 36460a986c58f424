"""Calibrated bounds on real traffic, replayed in order: they hold as often as they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amin.experiment.evaluation import Evaluation, evaluate
from amin.predictor.catalog import get_predictor
from amin.workload.lmsys_like import read_replies
from amin.workload.read import read_trace
from amin.workload.trace import Trace

DATA = Path(__file__).parents[4] / "shared" / "data"
SIZE = 12_000
TRACES = {
    "azure conversation": "azure2023_conv.csv.gz",
    "azure code": "azure2023_code.csv.gz",
    "servegen": "servegen_deepseek_r1_1h.csv.gz",
    "sharegpt": "sharegpt_8k_llama2tok.csv.gz",
    "ssjf": "ssjf_lmsys1m_vicuna13b_bert_5class.csv.gz",
}

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the shared data folder is not beside the repository"
    ),
]


def _trace(name: str) -> Trace:
    path = DATA / TRACES[name]
    if name != "ssjf":
        return read_trace(path)[:SIZE]
    replies = read_replies(path)
    lengths = replies.lengths[:SIZE]
    trace = Trace.of_lengths(np.full(len(lengths), 50), lengths, np.zeros(len(lengths)))
    return replace(trace, predicted_class=replies.classes[:SIZE].astype(str).astype(np.object_))


def _check(found: Evaluation) -> None:
    assert 0.935 <= found.coverage <= 0.965
    for name, coverage in found.coverage_by_group().items():
        assert 0.935 <= coverage <= 0.965, name


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("spec", ["calibrated:online", "calibrated:constant:100"])
def test_the_share_that_reaches_the_bound(name: str, spec: str) -> None:
    """93.5 to 96.5 of 100 on the last four fifths, and in every group of 500 or more."""
    _check(evaluate(get_predictor(spec), _trace(name)))


def test_it_recovers_when_all_traffic_changes() -> None:
    """From one trace to another and back, abruptly: right again after 500 replies."""
    traces = [_trace(name)[:4000] for name in ("azure conversation", "servegen", "azure code")]
    lengths = np.concatenate([trace.num_output_tokens for trace in traces])
    prompts = np.concatenate([trace.num_prompt_tokens for trace in traces])
    trace = Trace.of_lengths(prompts, lengths, np.zeros(len(lengths)))
    found = evaluate(get_predictor("calibrated:online"), trace)
    held = found.length >= found.lower
    for start in (500, 4500, 8500):
        assert 0.935 <= held[start : start + 3500].mean() <= 0.965


@pytest.mark.parametrize(
    ("name", "feature", "gain"), [("ssjf", "class", 4), ("servegen", "client", 1.4)]
)
def test_a_bound_by_group_says_more_than_one_for_all(name: str, feature: str, gain: float) -> None:
    """The mean bound ÷ the 5 % quantile of all: 4 by SSJF's classes; by ServeGen's clients
    1.4, of the 1.66 that their quantiles in hindsight have."""
    trace = _trace(name)
    found = evaluate(get_predictor("calibrated:online"), trace)
    assert feature in found.groups
    assert found.as_dict()["mean_lower"] >= gain * np.quantile(trace.num_output_tokens, 0.05)
