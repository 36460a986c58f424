"""The simulator decides exactly as vLLM does: every request's times and preemptions are equal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from tests.dry.simulated import (
    REQUEST,
    SHAPES,
    assert_decided_alike,
    check_on_random_workloads,
)

from amin.engine.step_time import StepTime
from amin.engine.stock import STOCK
from amin.policy.catalog import SERVABLE
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job
from amin.workload.lmsys_like import embedded_replies, lmsys_like

pytestmark = pytest.mark.dry


def _jobs(rows: list[tuple[int, int, float, int, int, int]]) -> list[Job]:
    return [
        Job(
            Request(f"r{i}", prompt, 70, at, priority, hint=LengthEstimate(min(ends), max(ends))),
            output,
        )
        for i, (prompt, output, at, priority, *ends) in enumerate(
            sorted(rows, key=lambda row: row[2])
        )
    ]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("policy", [*STOCK, *SERVABLE])
def test_decides_as_vllm(policy: str, shape: dict[str, Any]) -> None:
    """Every time, preemption and recomputed token is the same, on random requests."""
    workloads = st.lists(st.tuples(*REQUEST), min_size=1, max_size=30).map(_jobs)
    check_on_random_workloads(policy, shape, workloads, 6)


def test_measured_step_times_are_the_same_clock() -> None:
    """Interpolated between the points, constant beyond them, to the last bit."""
    points = StepTime(points=((2.0, 0.5), (7.5, 0.7), (40.0, 1.3), (90.0, 9.1)))
    shape = {"num_blocks": 40, "block_size": 4, "forecast_floor": 1}
    jobs = _jobs([(1 + 7 * i % 50, 1 + 11 * i % 40, i / 3, 0, 1, 9) for i in range(40)])
    assert_decided_alike("vllm-fcfs", shape, points, jobs)


@pytest.mark.parametrize(
    ("policy", "rate"),
    [*((policy, 11) for policy in [*STOCK, *SERVABLE]), ("vllm-fcfs", 3), ("amin-dynamic", 3)],
)
def test_decides_as_vllm_under_load(policy: str, rate: float) -> None:
    """The same over 250 LMSYS-like requests below and far above capacity."""
    jobs = lmsys_like(
        embedded_replies(2000, seed=3),
        num_requests=250, requests_per_second=rate, seed=3, class_priorities=True,
    )  # fmt: skip
    shape: dict[str, Any] = {"num_blocks": 256, "block_size": 16, "forecast_floor": 16}
    real = assert_decided_alike(policy, shape, StepTime(), list(jobs))
    assert (
        rate < 5
        or sum(record.num_preemptions for record in real.records) > 20
        or (policy == "amax")
    )
