"""A scheduler decides when tokens are made, never which: greedy outputs are those of stock vLLM.

Exact equality is a fair test here. On the CPU, on one thread, vLLM's kernels round each row of a
batch by itself: the log-probabilities of a request are bit by bit the same whatever else is in the
batch, in prefill and decode alike, computed once or again after a preemption (measured over 900
requests, in float32 and in bfloat16). The first test holds vLLM to that.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from tests.live.in_process import LiveEngine, Prompt, StartEngine, make_prompts

from amin.policy.catalog import SERVABLE

pytestmark = pytest.mark.live

PREEMPTING = {
    "amin-static",
    "amin-dynamic",
    "fcfs",
    "priority",
    "least-computed-first",
    "retract",
}
"""Those that are known to preempt here; of others only the answers are looked at."""
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "prefix-caching": {"enable_prefix_caching": True},
    # Below the longest prompts: these are computed in several steps.
    "chunked-prefill": {"max_num_batched_tokens": 64, "enable_prefix_caching": True},
}
EVERYWHERE = ("expected-volume", "amin-dynamic", "fcfs")
"""Policies that are tried in each configuration; the others in the last, which has the most."""
CASES = [
    (policy, name)
    for policy in SERVABLE
    for name in CONFIGURATIONS
    if policy in EVERYWHERE or name == "chunked-prefill"
]
Outputs = list[tuple[int, ...]]


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    """The same for all engines."""
    return make_prompts(50)


@pytest.fixture(scope="module")
def expected(start_engine: StartEngine, prompts: list[Prompt]) -> Outputs:
    """What stock vLLM answers with memory enough for all, where nothing is ever computed twice."""
    engine = start_engine(num_gpu_blocks_override=400)
    outputs = engine.serve(prompts)
    assert not engine.metric("vllm:num_preemptions")
    assert len({token for output in outputs for token in output}) > 100
    return outputs


@pytest.mark.parametrize("options", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_stock_vllm_answers_the_same_in_every_configuration(
    start_engine: StartEngine, prompts: list[Prompt], expected: Outputs, options: dict[str, Any]
) -> None:
    """Preemptions, cached prefixes and chunked prefills change no token of stock vLLM's answers."""
    engine = start_engine(**options)
    assert engine.serve(prompts) == expected
    check_exercised(engine, options, prompts)
    assert engine.metric("vllm:num_preemptions") > 0


@pytest.mark.parametrize(("policy", "name"), CASES)
def test_a_policy_changes_no_answer(
    start_engine: StartEngine,
    prompts: list[Prompt],
    expected: Outputs,
    policy: str,
    name: str,
) -> None:
    """Under every policy, with preemptions, each request gets stock vLLM's tokens, all of them."""
    options = CONFIGURATIONS[name]
    engine = start_engine({"policy": policy, "client_hints": True}, **options)
    assert engine.serve(prompts) == expected
    check_exercised(engine, options, prompts)
    num_preemptions = engine.metric("vllm:num_preemptions")
    if policy in PREEMPTING:
        assert num_preemptions > 0
    if policy == "amax":
        # Nobody says an upper bound, so that it is max_tokens, which holds.
        assert num_preemptions == 0


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_making_way_changes_no_answer(
    start_engine: StartEngine, prompts: list[Prompt], expected: Outputs, is_async: bool
) -> None:
    """Where in every fifth step two requests leave before it, each still gets stock's tokens.

    Who leaves for a waiting reader is decided elsewhere; here is how it is told to vLLM.
    """
    engine = start_engine({}, async_scheduling=is_async, enable_prefix_caching=True)
    amin, steps = engine.scheduler.amin, count()

    def two_leave() -> list[Any]:
        amin.memory.begin_step()
        amin.streams.begin_step(amin.clock())
        running: list[Any] = engine.scheduler.running
        if next(steps) % 5 or len(running) < 3:
            return []
        amin.memory._way_is_made_for = running[0]  # so that nobody is admitted in this step
        return running[1:3]

    amin.make_way = two_leave
    assert engine.serve(prompts) == expected
    assert engine.metric("vllm:num_preemptions") > 20
    assert not engine.scheduler.amin_boundary.faults


def check_exercised(engine: LiveEngine, options: dict[str, Any], prompts: list[Prompt]) -> None:
    """The configuration did what it is there for."""
    if options.get("enable_prefix_caching"):
        assert engine.metric("vllm:prefix_cache_hits") > 0
    if limit := options.get("max_num_batched_tokens"):
        assert max(len(prompt.tokens) for prompt in prompts) > limit
