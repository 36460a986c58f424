"""What is said of one request: next to the definitions, and next to FCFS simulated by itself."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from amin.cli.explanation import sentences
from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.errors import ConfigError
from amin.experiment.explanation import Explanation, explain
from amin.experiment.load import at_load
from amin.workload.generate import generate
from amin.workload.trace import Trace

CONFIG = SimulatorConfig(511, 16, enable_prefix_caching=True)


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Chat at 1.5 x capacity."""
    return at_load(generate("lmsys-like", 600, seed=4), 1.5, CONFIG, 4)


def _simulate(trace: Trace, **promises: Any) -> Any:
    engine = SimulatedEngine(CONFIG, "expected-volume", predictor="online", **promises)
    return engine.simulate(trace)


def test_each_number_is_what_it_says(trace: Trace) -> None:
    """Counted by hand for every 20th request; FCFS's times are those of FCFS's own run."""
    simulation = _simulate(trace, tail_promise=1.0, stream_promise=10.0)
    ours = simulation.result().records
    fcfs = SimulatedEngine(CONFIG, "vllm-fcfs").run(trace).records
    some_passed = False
    for number in range(0, len(trace), 20):
        told, me = explain(simulation, str(number)), ours[number]
        passed_by = [
            other
            for other in ours
            if other.arrival_time > me.arrival_time
            and other.first_scheduled_time < me.first_scheduled_time
        ]
        assert told.num_passed_by == len(passed_by)
        assert told.ours.finished == me.e2e_latency
        assert told.fcfs.first_token == fcfs[number].ttft
        present = [
            other.e2e_latency
            for other in fcfs
            if other.arrival_time <= me.finish_time and other.finish_time > me.arrival_time
        ]
        assert told.worst_of_fcfs == max(present)
        some_passed = some_passed or bool(passed_by)
    assert some_passed


def test_who_goes_by_the_promise_is_told_from_who_goes_by_the_order(trace: Trace) -> None:
    """Without a promise nobody goes by one; with one of 0 by arrival, and nobody is passed."""
    without, at_once = _simulate(trace), _simulate(trace, tail_promise=0.0)
    assert not without.went_by_promise.any()
    assert at_once.went_by_promise.sum() > 100
    assert all(explain(at_once, str(i)).num_passed_by == 0 for i in range(0, len(trace), 50))
    some = np.flatnonzero(at_once.went_by_promise)[0]
    assert explain(at_once, str(some)).by_promise


def test_sentences_say_whether_the_promise_was_kept(trace: Trace) -> None:
    """Three sentences; for one that took longer the last one says so, for one that did not, too."""
    told = explain(_simulate(trace, tail_promise=1.0), "300")
    _, why, promise = sentences(told, 1.0)
    assert "order" in why
    assert "which it did" in promise
    slow = dataclasses.replace(told, worst_of_fcfs=told.ours.finished / 2, by_promise=True)
    _, why, promise = sentences(slow, 1.0)
    assert "the tail promise made it go" in why
    assert "it took longer" in promise
    assert len(list(sentences(told, None))) == 2


def test_who_can_never_run_is_told_so() -> None:
    """One that is longer than the memory is not scheduled by anybody; JSON has None, not NaN."""
    trace = dataclasses.replace(
        generate("lmsys-like", 3, seed=1), num_prompt_tokens=np.array([10, 99_999, 10])
    )
    told: Explanation = explain(_simulate(trace), "1")
    assert any("never run" in sentence for sentence in sentences(told, 1.0))
    assert json.loads(json.dumps(told.as_dict(), allow_nan=False))["ours"]["finished"] is None


def test_an_unknown_request_is_refused_with_those_that_there_are(trace: Trace) -> None:
    """The message has the first and the last id."""
    with pytest.raises(ConfigError, match=r"--explain: got 'x', allowed: .* 0 to 599"):
        explain(_simulate(trace), "x")
