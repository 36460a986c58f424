"""With lengths that are learned and a tail promise the simulator decides exactly as vLLM, too."""

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
    told_jobs,
)

from amin.engine.simulator.groups import ANEW, groups_of
from amin.engine.step_time import StepTime
from amin.engine.vllm.stream_guard import StreamGuard
from amin.policy.catalog import SERVABLE
from amin.predictor.features import FEATURES
from amin.workload.generate import generate
from amin.workload.lmsys_like import embedded_replies, lmsys_like

pytestmark = pytest.mark.dry

SHAPES: dict[str, dict[str, Any]] = {
    "off": {},
    "promise": {"tail_promise": 0.5},
    "chunks": {"tail_promise": 0.5, "max_num_batched_tokens": 24, "max_num_seqs": 9},
    "prefix cache": {"tail_promise": 0.5, "enable_prefix_caching": True},
    "fcfs": {"tail_promise": 0},
    "streams": {"stream_promise": 0.3},
    "streams and chunks": {"stream_promise": 0.5, "max_num_batched_tokens": 24, "max_num_seqs": 9},
    "both": {"tail_promise": 0.5, "stream_promise": 0.2, "enable_prefix_caching": True},
    "online": {"tail_promise": 0.5, "predictor": "online:0.7"},
}


EVERYWHERE = ("expected-volume", "amin-dynamic", "fcfs")
CASES = [
    (policy, name)
    for policy in SERVABLE
    for name in SHAPES
    if policy in EVERYWHERE or name in ("chunks", "both")
]
"""What the promises do is not the policy's: of most policies two shapes are tried."""


@pytest.mark.parametrize(("policy", "name"), CASES)
def test_decides_as_vllm_with_a_promise(policy: str, name: str) -> None:
    """Every time, preemption and recomputed token is the same; long enough to learn from."""
    shape = SHAPES[name]
    workloads = st.lists(TOLD_REQUEST, min_size=30, max_size=90).map(told_jobs)
    check_on_random_workloads(policy, shape, workloads, 4)


@pytest.mark.parametrize("has_classes", [True, False])
@pytest.mark.parametrize("pace", [None, 10.0])
def test_decides_as_vllm_under_load(has_classes: bool, pace: float | None) -> None:
    """The same over 400 LMSYS-like requests far above capacity, with the promises at work."""
    trace = lmsys_like(
        embedded_replies(3000, seed=3), num_requests=400, requests_per_second=9, seed=3
    )
    if not has_classes:
        trace = replace(trace, predicted_class=np.empty(0, np.object_))
    shape: dict[str, Any] = {"num_blocks": 256, "block_size": 16, "forecast_floor": 16}
    shape |= {"tail_promise": 0.9, "stream_promise": pace}
    real = assert_decided_alike("expected-volume", shape, StepTime(), list(trace))
    assert sum(record.num_preemptions for record in real.records) > 20


@pytest.mark.parametrize("asks", [{"stream_promise": 10.0}, {"fair_share": "client"}], ids=str)
def test_what_is_expected_is_learned_whoever_asks(asks: dict[str, Any]) -> None:
    """The policy reads no lengths and there is no tail promise, but room to begin is kept by what
    replies are expected to take, and shares are charged by it: learned as in vLLM."""
    replies = embedded_replies(3000, seed=3)
    jobs = list(lmsys_like(replies, num_requests=300, requests_per_second=9, seed=3))
    shape: dict[str, Any] = {"num_blocks": 256, "block_size": 16}
    assert_decided_alike("fcfs", shape | asks, StepTime(), jobs)


@pytest.mark.parametrize("caches", [False, True])
def test_who_makes_way_for_a_reader_is_decided_as_by_vllm(
    caches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replies of thousands of tokens among others: to bring one back others leave before a step."""
    num_leaving, ask = [], StreamGuard.who_makes_way

    def count(*given: Any) -> list[int]:
        num_leaving.append(len(found := ask(*given)))
        return found

    monkeypatch.setattr(StreamGuard, "who_makes_way", count)
    trace = generate("reasoning", 300, seed=1, rate=1.5)
    trace = replace(trace, num_output_tokens=np.minimum(trace.num_output_tokens, 4000))
    shape: dict[str, Any] = {"num_blocks": 900, "block_size": 16, "forecast_floor": 15}
    shape |= {"tail_promise": 1.0, "stream_promise": 10.0, "enable_prefix_caching": caches}
    assert_decided_alike(
        "expected-volume", shape | {"predictor": "online"}, StepTime(), list(trace)
    )
    assert sum(num_leaving) > 3


def test_decides_as_vllm_when_groups_change_hands() -> None:
    """The same where after a third of the requests all clients are others, and groups are taken."""
    trace = lmsys_like(
        embedded_replies(3000, seed=4), num_requests=900, requests_per_second=7, seed=4
    )
    is_late, number = np.arange(900) >= 315, np.arange(900) % 315
    number = np.where(is_late, number % 20, number % 63)
    trace = replace(
        trace,
        client=np.char.add(np.where(is_late, "late", "early"), number.astype(str)).astype(object),
        num_output_tokens=np.where(is_late, 20 + 25 * number, 500 - 7 * number),
        predicted_class=np.empty(0, np.object_),
    )
    groups = groups_of(trace)[:, FEATURES.index("client")]
    assert (groups >= ANEW).sum() > 10
    shape: dict[str, Any] = {"num_blocks": 256, "block_size": 16, "predictor": "online:0.7"}
    shape |= {"forecast_floor": 16}
    real = assert_decided_alike("amin-dynamic", shape, StepTime(), list(trace))
    assert sum(record.num_preemptions for record in real.records) > 20
