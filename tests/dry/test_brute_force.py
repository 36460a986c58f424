"""Forecast and victims against a count by hand, from vLLM's own requests, in thousands of steps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from vllm.config import VllmConfig

from amin.request import RequestView
from amin.workload.interface import Job
from amin.workload.lmsys_like import embedded_replies, lmsys_like

pytestmark = pytest.mark.dry

BLOCK = 16
FLOOR = 3
WAYS = {
    "sync": {},
    "async": {"async_scheduling": True},
    "chunks": {"max_num_batched_tokens": 64, "max_num_seqs": 48},
    "async-chunks": {"max_num_batched_tokens": 64, "max_num_seqs": 48, "async_scheduling": True},
    "long-prefill": {"max_num_batched_tokens": 512, "long_prefill_token_threshold": 24},
}
SHARING = {"enable_prefix_caching": True}
HYBRID = {"kv_cache_groups": (("full", 0), ("sliding", 48))}
LOOKAHEAD = {"num_lookahead_tokens": 20}


@pytest.fixture(scope="session")
def jobs() -> Sequence[Job]:
    """230 requests far above capacity; a third of the replies is cut by max_tokens."""
    replies = embedded_replies(2000, seed=5)
    return lmsys_like(replies, num_requests=230, requests_per_second=30, seed=5, max_tokens=250)


def _engine(engine_of: Callable[..., Any], policy: str, way: dict[str, Any]) -> Any:
    if "num_lookahead_tokens" in way:
        # Of speculative decoding only the slots; a setting of VllmConfig, not of the dry engine.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(VllmConfig, "num_lookahead_tokens", way["num_lookahead_tokens"])
            rest = {name: value for name, value in way.items() if name not in LOOKAHEAD}
            return _engine(engine_of, policy, rest)
    shape = {"num_gpu_blocks": 257, "block_size": BLOCK, "seconds_per_step": 0.03}
    return engine_of(policy, **(shape | {"predictor": "constant:40"} | way))


def _made(request: Any) -> int:
    """Output tokens, those in flight among them."""
    return int(request.num_output_tokens + request.num_output_placeholders)


def _held(request: Any) -> int:
    """Tokens in memory at the end of this step, were the whole prompt computed in it."""
    return int(request.num_prompt_tokens + min(_made(request), request.max_tokens - 1))


def _view(scheduler: Any, request: Any) -> RequestView:
    view: RequestView = scheduler.amin.ledger.view(request.request_id)
    return view._replace(num_output_tokens=_made(request))


def _peak(scheduler: Any, candidate: Any) -> int:
    """Blocks in use at each future step, summed request by request; the most of them."""
    late = int(type(scheduler).__name__ == "AminAsyncScheduler")
    config, ahead = scheduler.scheduler_config, 0
    rows: list[tuple[int, int]] = []
    for request in [*scheduler.running, candidate]:
        steps = scheduler.amin.policy.forecast(_view(scheduler, request))
        left, delay = _held(request) - request.num_computed_tokens, 0
        if left > 1:
            # Prompts are computed one after the other with what decoding leaves of each batch.
            ahead += left
            delay = -(-ahead // (config.max_num_batched_tokens - len(scheduler.running))) - 1
            if config.long_prefill_token_threshold:
                delay += -(-left // config.long_prefill_token_threshold) - 1
        held = _held(request) + scheduler.num_lookahead_tokens
        rows.append((held, max(steps + late, FLOOR) + delay))
    usage = (
        sum(-(-(held + k - 1) // BLOCK) for held, steps in rows if steps >= k)
        for k in range(1, max(steps for _, steps in rows) + 1)
    )
    return max(usage)


@pytest.mark.parametrize("policy", ["amin-static", "amin-dynamic", "amax"])
@pytest.mark.parametrize("way", [*WAYS.values(), LOOKAHEAD], ids=[*WAYS, "lookahead"])
def test_every_forecast_is_what_a_count_by_hand_gives(
    engine_of: Callable[..., Any],
    jobs: Sequence[Job],
    policy: str,
    way: dict[str, Any],
) -> None:
    """Request by request and step by step, from vLLM's requests and not from our table."""
    engine = _engine(engine_of, policy, way | {"forecast_floor": FLOOR})
    scheduler, memory = engine.scheduler, engine.scheduler.amin.memory
    asked: list[Any] = []
    admits, peak_with = memory.admits, memory._projection.peak_with
    wrong, num_peaks = [], 0

    def admits_watched(request: Any) -> bool:
        asked.append(request)
        return bool(admits(request))

    def peak_watched(*numbers: int) -> int:
        nonlocal num_peaks
        num_peaks += 1
        peak, expected = peak_with(*numbers), _peak(scheduler, asked[-1])
        if (peak, memory._unexplained) != (expected, 0):
            wrong.append((num_peaks, peak, expected, memory._unexplained))
        return int(peak)

    memory.admits, memory._projection.peak_with = admits_watched, peak_watched
    engine.run(jobs)
    assert wrong == []
    assert num_peaks > 300


@pytest.fixture(scope="session")
def sharing_jobs(jobs: Sequence[Job]) -> Sequence[Job]:
    """The same, every three of them behind a common prefix of four blocks."""
    sharing = []
    for i, one in enumerate(jobs):
        prompt = (i // 3,) * 4 * BLOCK + (10_000 + i,) * one.request.num_prompt_tokens
        request = structs.replace(
            one.request, num_prompt_tokens=len(prompt), prompt_token_ids=prompt
        )
        sharing.append(replace(one, request=request))
    return sharing


@pytest.mark.parametrize(
    "policy", ["amin-static", "amin-dynamic", "least-computed-first", "retract", "priority"]
)
@pytest.mark.parametrize(
    "way",
    [*WAYS.values(), SHARING, HYBRID, LOOKAHEAD],
    ids=[*WAYS, "prefix-caching", "hybrid", "lookahead"],
)
def test_whoever_leaves_is_the_policys_choice(
    engine_of: Callable[..., Any],
    jobs: Sequence[Job],
    sharing_jobs: Sequence[Job],
    policy: str,
    way: dict[str, Any],
) -> None:
    """Those that vLLM preempts in a step are the first by the policy's order, ties by the seed."""
    engine = _engine(engine_of, policy, way | {"predictor": "constant:1"})
    scheduler = engine.scheduler
    schedule, preempt = scheduler.schedule, scheduler._preempt_request
    ranked: list[str] = []
    left: list[str] = []
    wrong, num_preemptions = [], 0

    def rank() -> list[str]:
        keys = {}
        for request in scheduler.running:
            view = _view(scheduler, request)._replace(
                num_computed_tokens=request.num_computed_tokens
            )
            tie = scheduler.amin.ledger.ties[request.amin_slot]
            keys[request.request_id] = (scheduler.amin.policy.preemption_order(view), tie)
        return sorted(keys, key=keys.__getitem__)

    def schedule_watched(*args: Any) -> Any:
        nonlocal num_preemptions
        ranked[:], left[:] = rank(), []
        output = schedule(*args)
        num_preemptions += len(left)
        if left != ranked[: len(left)]:
            wrong.append((left[:], ranked[: len(left)]))
        return output

    def preempt_watched(request: Any, *args: Any, **kwargs: Any) -> None:
        left.append(request.request_id)
        preempt(request, *args, **kwargs)

    scheduler.schedule, scheduler._preempt_request = schedule_watched, preempt_watched
    engine.run(sharing_jobs if way is SHARING else jobs)
    assert wrong == []
    assert num_preemptions > 20
