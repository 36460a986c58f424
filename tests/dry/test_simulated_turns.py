"""Requests that follow others: the simulator and vLLM see them arrive, and decide, alike."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.dry.simulated import (
    SHAPES,
    SMALL,
    assert_decided_alike,
    check_on_random_workloads,
)

from amin.engine.step_time import StepTime
from amin.engine.stock import STOCK
from amin.policy.catalog import SERVABLE
from amin.request import LengthEstimate, Request
from amin.workload.generate import generate
from amin.workload.hashed_prompt import HashedPrompt
from amin.workload.interface import Job
from amin.workload.turns import in_closed_loop

pytestmark = pytest.mark.dry

PROMISED: dict[str, Any] = {"tail_promise": 1.0, "stream_promise": 1.0, "predictor": "online"}
UNIT = 4


def _conversations(seed: int) -> list[Job]:
    """Some people who each ask a few times, with all that was said before in the prompt."""
    rng = random.Random(seed)
    jobs: list[Job] = []
    names = rng.sample(range(100, 999), 60)
    arrival = 0.0
    for person in range(rng.randint(1, 8)):
        arrival += rng.choice([0.0, rng.uniform(0, 20)])
        said, before = 0, None
        for _ in range(rng.randint(1, 6)):
            prompt, reply = said + rng.randint(1, 30), rng.randint(1, 40)
            request = Request(
                f"r{names[len(jobs)]}",
                prompt,
                rng.choice([30, 70]),
                arrival,
                rng.randint(0, 2),
                client=str(person),
                hint=rng.choice([None, LengthEstimate(rng.randint(1, reply), 70)]),
                prompt_token_ids=_said(person, 0, prompt),
            )
            reply_tokens = _said(person, prompt, reply)
            think = rng.choice([0.0, 0.0, 1.5, rng.uniform(0, 9)])
            jobs.append(Job(request, reply, reply_tokens, before, think))
            before, said = request.request_id, prompt + min(reply, request.max_tokens)
    return jobs


def _said(person: int, start: int, length: int) -> HashedPrompt:
    """Tokens of a conversation from `start` on; one in four begins as another one does."""
    first, last = start // UNIT, -(-(start + length) // UNIT)
    hashes = tuple((person // 4 if i < 3 else person) * 1000 + i for i in range(first, last))
    return HashedPrompt(hashes, UNIT, length, start % UNIT)


@pytest.mark.parametrize("caches", [False, True], ids=["plain", "prefixes"])
@pytest.mark.parametrize("policy", [*STOCK, *SERVABLE])
def test_turns_are_decided_as_by_vllm(policy: str, caches: bool) -> None:
    """Each time of arrival, first token, preemption and end is vLLM's, replies cached or not."""
    workloads = st.integers(0, 2**32).map(_conversations)
    shape: dict[str, Any] = {"enable_prefix_caching": caches, "num_blocks": 70}
    check_on_random_workloads(policy, shape, workloads, 8)


def test_a_hint_beyond_max_tokens_is_cut_as_by_vllm() -> None:
    """It tells of a reply as long as may be; here two hints become one value for the learner."""
    shape = SMALL | {"num_blocks": 70}
    assert_decided_alike("expected-volume", shape, StepTime(1.0, 0.01), _conversations(444158))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_turns_under_both_promises_are_decided_as_by_vllm(shape: dict[str, Any]) -> None:
    """The default, learning from the replies: groups are numbered as requests arrive."""
    workloads = st.integers(0, 2**32).map(_conversations)
    shape = {"num_blocks": 70} | shape | {"enable_prefix_caching": True} | PROMISED
    check_on_random_workloads("expected-volume", shape, workloads, 8)


@pytest.mark.parametrize("name", ["sessions", "agents", "outliers", "lmsys-like"])
def test_generated_workloads_are_decided_as_by_vllm(name: str) -> None:
    """Under load and under both promises, and the last of them in a closed loop."""
    shape: dict[str, Any] = {"num_blocks": 500, "block_size": 16, "forecast_floor": 15}
    shape |= {"enable_prefix_caching": True, "tail_promise": 1.0, "stream_promise": 10.0}
    rate = {"agents": 0.5, "sessions": 6.0}.get(name, 9.0)
    trace = generate(name, 400, seed=8, rate=rate)
    if name == "lmsys-like":
        trace = in_closed_loop(trace, 100, 1.0)
    real = assert_decided_alike(
        "expected-volume", shape | {"predictor": "online"}, StepTime(), list(trace)
    )
    assert sum(record.num_preemptions for record in real.records) >= 5
