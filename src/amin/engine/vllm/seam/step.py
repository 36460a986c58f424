"""A step of a scheduler: who runs, and what limits how many and how much."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amin.engine.vllm.seam.names import Request


def running(scheduler: Any) -> list[Request]:
    """The requests that run, in the order in which a step serves them: vLLM's own list."""
    requests: list[Request] = scheduler.running
    return requests


def is_full(scheduler: Any) -> bool:
    """Whether as many run as may: vLLM then admits nobody, whatever the memory."""
    num_active = len(scheduler.running) + scheduler.num_waiting_for_streaming_input
    return bool(num_active >= scheduler.max_num_active_reqs)


def prompts_being_computed(scheduler: Any) -> Collection[Request]:
    """The running requests that have prompt left to compute after their latest step."""
    requests: Collection[Request] = scheduler._inflight_prefills
    return requests


def num_tokens_in_flight(request: Request) -> int:
    """Its tokens in steps whose output has not come yet: a window moves on only when it has."""
    return int(request.num_in_flight_tokens)


def step_limits(scheduler: Any) -> tuple[int, int]:
    """(tokens in the coming step, most of them for one request), as Scheduler.schedule has it."""
    budget, config = scheduler.max_num_scheduled_tokens, scheduler.scheduler_config
    chunk, num_requests = config.long_prefill_token_threshold, sum(scheduler.get_request_counts())
    if chunk <= 0 or num_requests <= 1:
        return budget, budget
    if scheduler.adaptive_long_prefill_threshold:
        chunk = max(chunk, config.max_num_batched_tokens // num_requests)
    return budget, chunk


def num_lookahead_tokens(scheduler: Any) -> int:
    """Slots that every request gets beyond its tokens (speculative decoding)."""
    return int(scheduler.num_lookahead_tokens)
