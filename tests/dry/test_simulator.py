"""The simulator decides exactly as vLLM does: every request's times and preemptions are equal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.step_time import StepTime
from amin.engine.stock import STOCK
from amin.engine.vllm import dry
from amin.engine.vllm.config import AminConfig
from amin.policy.catalog import SERVABLE
from amin.record import RunResult
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job
from amin.workload.lmsys_like import embedded_replies, lmsys_like

pytestmark = pytest.mark.dry

SHAPES: dict[str, dict[str, Any]] = {
    "tight": {},
    "ample": {"num_blocks": 400},
    "few-seqs": {"max_num_seqs": 3},
    "chunks": {"max_num_batched_tokens": 24, "max_num_seqs": 9},
    "long-prefill": {"max_num_batched_tokens": 64, "long_prefill_token_threshold": 16},
    "watermark": {"watermark": 0.1},
    "tokens": {"block_size": 1, "num_blocks": 160},
}
requests = st.tuples(
    st.integers(1, 60),  # prompt
    st.integers(1, 60),  # output
    st.floats(0, 60, width=16),  # arrival
    st.integers(0, 2),  # priority
    st.integers(1, 60),  # lower
    st.integers(1, 60),  # upper
)


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


def _dry(policy: str, shape: dict[str, Any], step_time: StepTime, jobs: list[Job]) -> RunResult:
    shape = dict(shape)
    blocks, floor = shape.pop("num_blocks"), shape.pop("forecast_floor")
    # One block of vLLM's pool is never used.
    shape |= {"num_gpu_blocks": blocks + 1, "step_time": step_time}
    config = dry.DryConfig(**shape)
    if policy in STOCK:
        return dry.DryEngine(config, policy).run(jobs)
    ours = AminConfig(policy, client_hints=True, forecast_floor=floor, seed=3)
    return dry.DryEngine(config, ours).run(jobs)


def _simulated(
    policy: str, shape: dict[str, Any], step_time: StepTime, jobs: list[Job]
) -> RunResult:
    config = SimulatorConfig(**shape, max_model_len=4096, step_time=step_time)
    return SimulatedEngine(config, policy, seed=3).run(jobs)


def _decisions(result: RunResult) -> dict[str, dict[str, Any]]:
    """All that happened to each request."""
    return {r.request_id: asdict(r) | {"lower": 0, "upper": 0} for r in result.records}


def _assert_equal(real: RunResult, simulated: RunResult) -> None:
    expected, got = _decisions(real), _decisions(simulated)
    assert expected.keys() == got.keys()
    for request_id, record in expected.items():
        assert repr(got[request_id]) == repr(record)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("policy", [*STOCK, *SERVABLE])
def test_decides_as_vllm(policy: str, shape: dict[str, Any]) -> None:
    """Every time, preemption and recomputed token is the same, on random requests."""
    whole = {"num_blocks": 40, "block_size": 4, "max_num_seqs": 64, "max_num_batched_tokens": 2048}
    whole |= {"forecast_floor": 1} | shape
    step_time = StepTime(1.0, 0.01)

    @settings(max_examples=12, deadline=None, phases=[Phase.generate])
    @given(st.lists(requests, min_size=1, max_size=30))
    def check(rows: list[tuple[int, int, float, int, int, int]]) -> None:
        jobs = _jobs(rows)
        _assert_equal(
            _dry(policy, whole, step_time, jobs), _simulated(policy, whole, step_time, jobs)
        )

    check()


@pytest.mark.parametrize("policy", [*STOCK, *SERVABLE])
@pytest.mark.parametrize("rate", [3, 11])
def test_decides_as_vllm_under_load(policy: str, rate: float) -> None:
    """The same over 400 LMSYS-like requests below and far above capacity."""
    jobs = lmsys_like(
        embedded_replies(2000, seed=3),
        num_requests=400, requests_per_second=rate, seed=3, class_priorities=True,
    )  # fmt: skip
    shape: dict[str, Any] = {"num_blocks": 256, "block_size": 16, "forecast_floor": 16}
    step_time = StepTime()
    real = _dry(policy, shape, step_time, list(jobs))
    assert (
        rate < 5
        or sum(record.num_preemptions for record in real.records) > 20
        or (policy == "amax")
    )
    _assert_equal(real, _simulated(policy, shape, step_time, list(jobs)))
