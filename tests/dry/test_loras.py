"""Requests that vLLM skips because as many LoRA adapters run as may (max_loras)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dry.simulated import everything_decided

from amin.record import RunResult
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

MAX_LORAS = 2
WAYS: dict[str, dict[str, Any]] = {
    "sync": {},
    "async": {"async_scheduling": True},
    "few seats": {"max_num_seqs": 3},
    "small batches": {"max_num_batched_tokens": 24, "max_num_seqs": 7, "async_scheduling": True},
}
requests = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 20), st.integers(0, 5))


def _run(engine: Any, jobs: list[Job], adapters: dict[str, int]) -> RunResult:
    engine.model.adapters |= adapters
    scheduler, most = engine.scheduler, 0
    schedule = scheduler.schedule

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal most
        output = schedule(*args, **kwargs)
        running = {adapters[name] for name in output.num_scheduled_tokens if adapters[name]}
        most = max(most, len(running))
        return output

    scheduler.schedule = counted
    result: RunResult = engine.run(jobs)
    assert most <= MAX_LORAS
    return result


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_fcfs_decides_as_stock_vllm(
    engine_of: Callable[..., Any], job: Callable[..., Job], way: dict[str, Any]
) -> None:
    """Every time, every preemption, every block at every step, though those who would be skipped
    are not offered. The default serves them all, too, and nobody stalls."""

    @settings(max_examples=25)
    @given(st.lists(requests, min_size=1, max_size=30))
    def check(rows: list[tuple[int, int, int, int]]) -> None:
        rows = sorted(rows, key=lambda row: row[2])
        jobs = [
            job(str(i), prompt, output, at=float(at))
            for i, (prompt, output, at, _) in enumerate(rows)
        ]
        adapters = {str(i): row[3] for i, row in enumerate(rows)}
        shape = {"num_gpu_blocks": 41, "max_loras": MAX_LORAS} | way
        ours, stock = (
            _run(engine_of(policy, **shape), jobs, adapters) for policy in ("fcfs", "vllm-fcfs")
        )
        assert everything_decided(ours) == everything_decided(stock)
        more = {"predictor": "online", "tail_promise": 1.0}
        default = engine_of("expected-volume", **shape, **more)
        assert all(r.status == "finished" for r in _run(default, jobs, adapters).records)
        assert default.scheduler.amin.guard.is_empty
        assert not default.scheduler.amin_boundary.faults

    check()
