"""What else a server may have switched on: drafts, and prompts that are begun now and then.

vLLM's own policy in amin's words decides as vLLM does without amin; the default serves everybody,
leaks nothing, and none of its own code fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dry.simulated import everything_decided

from amin.engine.vllm import seam
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

FEATURES: dict[str, dict[str, Any]] = {
    "drafts": {"num_speculative_tokens": 3},
    "drafts, prefix caching": {"num_speculative_tokens": 2, "enable_prefix_caching": True},
    "drafts, chunks": {
        "num_speculative_tokens": 3, "max_num_batched_tokens": 40, "max_num_seqs": 8,
    },
    "prompts now and then": {"prefill_schedule_interval": 4},
    "prompts now and then, async": {"prefill_schedule_interval": 3, "async_scheduling": True},
    "prompts now and then, chunks": {
        "prefill_schedule_interval": 4, "max_num_batched_tokens": 40, "max_num_seqs": 9,
    },
}  # fmt: skip
requests = st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(0, 30))


@pytest.mark.parametrize("feature", FEATURES.values(), ids=FEATURES)
def test_decides_as_stock_vllm_and_serves_everybody(
    engine_of: Callable[..., Any], job: Callable[..., Job], feature: dict[str, Any]
) -> None:
    """Every time, preemption and block at every step; with the default nobody stalls, and all
    memory is free at the end."""

    @settings(max_examples=15)
    @given(st.lists(requests, min_size=1, max_size=25))
    def check(rows: list[tuple[int, int, int]]) -> None:
        jobs = [
            job(str(i), prompt, output, at=float(at))
            for i, (prompt, output, at) in enumerate(sorted(rows, key=lambda row: row[2]))
        ]
        shape = {"num_gpu_blocks": 41} | feature
        ours, stock = (engine_of(policy, **shape).run(jobs) for policy in ("fcfs", "vllm-fcfs"))
        assert everything_decided(ours) == everything_decided(stock)
        more = {"predictor": "online", "tail_promise": 1.0, "forecast_floor": 15}
        default = engine_of("expected-volume", **shape, **more)
        result = default.run(jobs)
        assert [r.num_output_tokens for r in result.records] == [j.num_output_tokens for j in jobs]
        assert seam.num_free_blocks(default.scheduler) == 40
        assert default.scheduler.amin.guard.is_empty
        assert len(default.scheduler.amin.ledger) == 0
        assert not default.scheduler.amin_boundary.faults

    check()


def test_drafts_are_taken_and_prompts_wait(engine_of: Callable[..., Any], job: Any) -> None:
    """The features above do something: fewer steps for a reply with drafts; with prompts that are
    begun in every fourth step, one that comes between begins later."""
    alone = [job("r", 8, 60)]
    steps = [
        engine_of("fcfs", num_speculative_tokens=drafts).run(alone).num_steps for drafts in (0, 3)
    ]
    assert steps[1] < 0.6 * steps[0]
    pair = [job("r", 8, 60), job("s", 8, 10, at=1.5)]
    begins = [
        engine_of("fcfs", prefill_schedule_interval=interval).run(pair).records[1]
        for interval in (1, 4)
    ]
    assert begins[0].first_scheduled_time < begins[1].first_scheduled_time
