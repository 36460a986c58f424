"""A step of a scheduler: who runs, and what limits how many and how much."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from amin.engine.vllm.seam.names import Request, RequestStatus
from amin.engine.vllm.seam.requests import can_be_admitted


def running(scheduler: Any) -> list[Request]:
    """The requests that run, in the order in which a step serves them: vLLM's own list."""
    requests: list[Request] = scheduler.running
    return requests


def waiting(scheduler: Any) -> Iterator[Request]:
    """The requests that wait, in no order: in the queue, and skipped for the while."""
    yield from scheduler.waiting
    yield from getattr(scheduler, "skipped_waiting", ())


def is_full(scheduler: Any) -> bool:
    """Whether as many run as may: vLLM then admits nobody, whatever the memory."""
    num_active = len(scheduler.running) + scheduler.num_waiting_for_streaming_input
    if hasattr(scheduler, "max_num_active_reqs"):
        return bool(num_active >= scheduler.max_num_active_reqs)
    return bool(num_active >= scheduler.max_num_running_reqs)


def is_paused(scheduler: Any) -> bool:
    """Whether an operator has paused it (vLLM's PauseState): then nobody is to be made room for."""
    return bool(scheduler.pause_state)


def prompts_being_computed(scheduler: Any) -> Collection[Request]:
    """The running requests that have prompt left to compute after their latest step."""
    requests: Collection[Request] = scheduler._inflight_prefills
    return requests


def num_tokens_in_flight(request: Request) -> int:
    """Its tokens in steps whose output has not come yet: a window moves on only when it has."""
    if hasattr(request, "num_in_flight_tokens"):
        return int(request.num_in_flight_tokens)
    return int(request.num_output_placeholders)


def step_limits(scheduler: Any) -> tuple[int, int]:
    """(tokens in the coming step, most of them for one request), as Scheduler.schedule has it."""
    budget, config = scheduler.max_num_scheduled_tokens, scheduler.scheduler_config
    chunk, num_requests = config.long_prefill_token_threshold, sum(scheduler.get_request_counts())
    if chunk <= 0:
        return budget, budget
    # Up to 0.30 the threshold also binds a request that is alone.
    if not hasattr(scheduler, "adaptive_long_prefill_threshold"):
        return budget, chunk
    if num_requests <= 1:
        return budget, budget
    if scheduler.adaptive_long_prefill_threshold:
        chunk = max(chunk, config.max_num_batched_tokens // num_requests)
    return budget, chunk


def num_lookahead_tokens(scheduler: Any) -> int:
    """Slots that every request gets beyond its tokens (speculative decoding)."""
    return int(scheduler.num_lookahead_tokens)


def admitted_first(scheduler: Any, output: Any) -> list[Request]:
    """The requests that were admitted in a step, and never before."""
    return [scheduler.requests[data.req_id] for data in output.scheduled_new_reqs]


def note_preempted(output: Any, requests: list[Request]) -> None:
    """Say in a step's output who was preempted before it: vLLM 0.24 says only who was in it.

    The model's runner forgets what it holds of these.
    """
    if requests:
        preempted = {request.request_id for request in requests}
        output.preempted_req_ids = (output.preempted_req_ids or set()) | preempted


def skipped_alike(scheduler: Any, request: Request) -> Callable[[Request], bool] | None:
    """Of a request that vLLM took from the queue: whom it would skip in this step as it did this.

    None where it was admitted, or skipped for a reason of its own. With as many LoRA adapters in
    the step as there may be (max_loras), every request with another one is skipped, and the set of
    adapters only grows in a step. Those of all who run are taken for it, which are at least as
    many. Whoever is found is counted as vLLM counts those that it skips.
    """
    if scheduler.lora_config is None or request.lora_request is None:
        return None
    has_connector = scheduler.connector is not None or scheduler.ec_connector is not None
    if request.status == RequestStatus.RUNNING or has_connector or not can_be_admitted(request):
        return None
    present = {other.lora_request.lora_int_id for other in scheduler.running if other.lora_request}
    present.discard(request.lora_request.lora_int_id)

    def is_skipped(other: Request) -> bool:
        adapter = other.lora_request
        if adapter is None or adapter.lora_int_id in present:
            return False
        if hasattr(scheduler, "deferred_waiting"):
            scheduler.deferred_waiting.add(other)
        return True

    return is_skipped
