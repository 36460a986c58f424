"""A target for the first token and fair shares: the simulator decides exactly as vLLM, and both
are nothing where they are off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from tests.dry.simulated import (
    TOLD_REQUEST,
    assert_decided_alike,
    check_on_random_workloads,
    everything_decided,
    told_jobs,
)

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.step_time import StepTime
from amin.engine.vllm import dry
from amin.request import Request
from amin.workload.interface import Job
from amin.workload.lmsys_like import embedded_replies, lmsys_like
from amin.workload.trace import Trace

pytestmark = pytest.mark.dry

BOTH: dict[str, Any] = {"tail_promise": 0.5, "stream_promise": 0.2, "enable_prefix_caching": True}
SHAPES: dict[str, dict[str, Any]] = {
    "target": {"ttft_target": 5.0},
    "target, all promised": BOTH | {"ttft_target": 5.0, "predictor": "online:0.7"},
    "target, by class": {"ttft_target": 5.0, "scheduling_policy": "priority"},
    "shares": {"fair_share": "client", "predictor": "online:0.7"},
    "shares, all promised": BOTH | {"fair_share": "client", "predictor": "online:0.7"},
    "both, by class": BOTH
    | {"fair_share": "client", "ttft_target": 3.0, "scheduling_policy": "priority"},
}
POLICIES = "expected-volume", "amin-dynamic", "fcfs"
LOADED: dict[str, Any] = {"num_blocks": 256, "block_size": 16, "forecast_floor": 16}
LOADED |= {"tail_promise": 1.0, "stream_promise": 10.0, "predictor": "online"}


def _two_clients(num_requests: int, seed: int) -> Trace:
    """Chat at twice the capacity, nine tenths of it from one client."""
    trace = lmsys_like(
        embedded_replies(3000, seed=3), num_requests=num_requests, requests_per_second=6, seed=seed
    )
    is_small = np.random.default_rng(seed).random(num_requests) < 0.1
    return replace(trace, client=np.where(is_small, "small", "flood").astype(object))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("policy", POLICIES)
def test_the_simulator_decides_as_vllm(policy: str, name: str) -> None:
    """Every time, preemption and recomputed token is the same on random requests."""
    workloads = st.lists(TOLD_REQUEST, min_size=30, max_size=90).map(told_jobs)
    check_on_random_workloads(policy, SHAPES[name], workloads, 4)


@pytest.mark.parametrize("more", [{"ttft_target": 2.0}, {"fair_share": "client"}], ids=str)
def test_the_simulator_decides_as_vllm_under_load(more: dict[str, Any]) -> None:
    """The same over 400 requests far above capacity, and it is not what is decided without."""
    jobs = list(_two_clients(400, seed=3))
    real = assert_decided_alike("expected-volume", LOADED | more, StepTime(), jobs)
    without = assert_decided_alike("expected-volume", LOADED, StepTime(), jobs)
    assert everything_decided(real) != everything_decided(without)


@pytest.mark.parametrize("caches", [False, True])
def test_a_single_client_has_the_whole_server(caches: bool) -> None:
    """Far below capacity fair shares decide nothing: all who wait have the same turn."""
    trace = lmsys_like(
        embedded_replies(3000, seed=3), num_requests=200, requests_per_second=1, seed=3
    )
    shape = LOADED | {"enable_prefix_caching": caches}
    runs = [
        assert_decided_alike("expected-volume", shape | more, StepTime(), list(trace))
        for more in ({}, {"fair_share": "client"})
    ]
    assert everything_decided(runs[0]) == everything_decided(runs[1])


def _mean_of(client: str, jobs: list[Job], **settings: Any) -> float:
    """Seconds from arrival to the end, in vLLM's scheduler."""
    shape = SimulatorConfig(256, 16, enable_prefix_caching=True)
    found = dry.DryEngine.like(
        shape, "expected-volume", predictor="online", tail_promise=1.0, stream_promise=10.0,
        **settings,
    ).run(jobs)  # fmt: skip
    names = {job.request.request_id: job.request.client for job in jobs}
    ours = [r for r in found.records if names[r.request_id] == client]
    return float(np.mean([r.e2e_latency for r in ours]))


def test_who_floods_waits_behind_himself() -> None:
    """The small client's mean is a sixth of what the flood makes of it without shares."""
    jobs = list(_two_clients(900, seed=5))
    assert _mean_of("small", jobs, fair_share="client") < _mean_of("small", jobs) / 6


@pytest.mark.parametrize("named", [True, False])
def test_a_salt_is_no_share(named: bool) -> None:
    """Of 300 who come at once the last has a late turn if each sends a salt of its own, and the
    first one if each is a client that is trusted to say so."""
    shape = SimulatorConfig(256, 16)
    engine = dry.DryEngine.like(shape, "expected-volume", fair_share="client")
    for number in range(300):
        name = str(number)
        job = Job(Request(name, 200, 400, client=name if named else None), 100)
        request = engine.model.request_of(job)
        request.cache_salt = None if named else name
        engine.scheduler.add_request(request)
    assert (request.amin_turn == 0) is named


def test_more_first_tokens_come_in_time() -> None:
    """At twice the capacity, a third more of them within two seconds, in simulated time."""
    trace, in_time = _two_clients(1500, seed=7), []
    shape = SimulatorConfig(256, 16, enable_prefix_caching=True)
    for target in (None, 2.0):
        columns = SimulatedEngine(
            shape, "expected-volume", predictor="online", tail_promise=1.0, stream_promise=10.0,
            ttft_target=target,
        ).simulate(trace).columns()  # fmt: skip
        in_time.append(np.mean(columns.first_token_time - columns.arrival_time <= 2.0))
    assert in_time[1] > 4 / 3 * in_time[0]
