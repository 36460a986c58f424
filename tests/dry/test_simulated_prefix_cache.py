"""With prefix caching too, the simulator decides exactly as vLLM does, block by block."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from tests.dry.simulated import (
    REQUEST,
    SHAPES,
    SMALL,
    assert_decided_alike,
    check_on_random_workloads,
)

from amin.engine.step_time import StepTime
from amin.engine.stock import STOCK
from amin.policy.catalog import SERVABLE
from amin.request import LengthEstimate, Request
from amin.workload.hashed_prompt import HashedPrompt
from amin.workload.interface import Job
from amin.workload.lmsys_like import embedded_replies, lmsys_like
from amin.workload.read import read_trace
from amin.workload.templates import with_templates

pytestmark = pytest.mark.dry

MOONCAKE = Path(__file__).parents[3] / "shared/data/mooncake_conversation_trace.jsonl.gz"

WITH_PREFIXES = SHAPES | {"odd-blocks": {"block_size": 6, "num_blocks": 27}}
requests = st.tuples(
    *REQUEST,
    st.integers(0, 3),  # whose prompt it begins with; 0: its own
    st.integers(0, 8),  # how many blocks of it
)


def _jobs(rows: list[tuple[int, int, float, int, int, int, int, int]]) -> list[Job]:
    jobs = []
    for i, row in enumerate(sorted(rows, key=lambda row: row[2])):
        length, output, at, priority, lower, upper, family, num_shared = row
        hint = LengthEstimate(min(lower, upper), max(lower, upper))
        prompt = _prompt(i, length, family, num_shared)
        request = Request(f"r{i}", length, 70, at, priority, hint=hint, prompt_token_ids=prompt)
        jobs.append(Job(request, output))
    return jobs


def _prompt(number: int, length: int, family: int, num_shared: int) -> Any:
    """Blocks of 8 tokens, the first of them the family's; a family of 3 writes out its tokens."""
    if family == 0:
        return ()
    num_blocks = -(-length // 8)
    hashes = [family * 100 + i if i < num_shared else 1000 + number for i in range(num_blocks)]
    prompt = HashedPrompt(tuple(hashes), 8, length)
    return tuple(prompt) if family == 3 else prompt


@pytest.mark.parametrize("shape", WITH_PREFIXES.values(), ids=WITH_PREFIXES)
@pytest.mark.parametrize("policy", [*STOCK, *SERVABLE])
def test_decides_as_vllm_with_prefix_caching(policy: str, shape: dict[str, Any]) -> None:
    """Every time, preemption and recomputed token is the same, on random shared prefixes."""
    workloads = st.lists(requests, min_size=1, max_size=30).map(_jobs)
    check_on_random_workloads(policy, shape | {"enable_prefix_caching": True}, workloads, 6)


@pytest.mark.parametrize("seed", [480, 481])
def test_what_the_cache_holds_is_not_ahead_of_others(seed: int) -> None:
    """Whenever in a step the forecast begins, of a prompt counts only what is left to compute."""
    # With seed 480 the first admission needs no forecast, and the second one does.
    rng = random.Random(seed)
    rows = [
        (
            *(rng.randint(1, 60), rng.randint(1, 60), rng.choice([0.0, rng.uniform(0, 60)])),
            *(rng.randint(0, 2), rng.randint(1, 60), rng.randint(1, 60)),
            *(rng.randint(0, 3), rng.randint(0, 8)),
        )
        for _ in range(rng.choice([8, 14, 22, 30]))
    ]
    shape = SMALL | SHAPES["long-prefill"] | {"enable_prefix_caching": True}
    assert_decided_alike("expected-volume", shape, StepTime(1.0, 0.01), _jobs(rows))


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "policy", ["vllm-fcfs", "vllm-priority", "amin-dynamic", "expected-volume"]
)
def test_decides_as_vllm_on_mooncakes_prefixes(policy: str) -> None:
    """120 prompts that share prefixes, far more at once than the memory can serve."""
    if not MOONCAKE.exists():
        pytest.skip("the shared data folder is not beside the repository")
    jobs = list(read_trace(MOONCAKE)[:120])
    shape: dict[str, Any] = {"num_blocks": 5000, "block_size": 16, "max_num_batched_tokens": 8192}
    shape |= {"forecast_floor": 16, "enable_prefix_caching": True, "max_model_len": 10**6}
    if policy == "expected-volume":
        shape |= {"tail_promise": 1.0, "stream_promise": 10.0}
    real = assert_decided_alike(policy, shape, StepTime(0.02, 0.00003), jobs)
    assert any(record.num_preemptions for record in real.records)


@pytest.mark.parametrize("sizes", [[1024] * 3, [2048, 256]])
def test_decides_as_vllm_behind_templates(sizes: list[int]) -> None:
    """The default on 250 chat prompts behind templates, far above capacity: what is found in the
    cache counts for the order and for the promises, and changes while requests wait."""
    trace = lmsys_like(
        embedded_replies(3000, seed=7), num_requests=250, requests_per_second=9, seed=7
    )
    shape: dict[str, Any] = {"num_blocks": 400, "block_size": 16, "forecast_floor": 15}
    shape |= {"enable_prefix_caching": True, "tail_promise": 1.0, "stream_promise": 10.0}
    shape |= {"predictor": "online"}
    jobs = list(with_templates(trace, np.array(sizes), 7, share=0.7))
    real = assert_decided_alike(
        "expected-volume", shape | {"predictor": "online"}, StepTime(), jobs
    )
    assert sum(record.num_preemptions for record in real.records) > 20
