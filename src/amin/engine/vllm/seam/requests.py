"""A request of vLLM, in the terms of amin."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from amin.engine.vllm.seam.names import Request, RequestOutputKind, RequestStatus
from amin.request import Sampling

_READY = RequestStatus.WAITING, RequestStatus.PREEMPTED


def can_be_admitted(request: Request) -> bool:
    """False while something other than memory holds it back; vLLM then skips past it.

    A grammar that has been compiled holds nobody back: vLLM promotes such a request and admits it
    in the same iteration (Scheduler._handle_blocked_waiting_request).
    """
    status = request.status
    if status in _READY:
        # Versions before 0.27 resume at once.
        is_stale = getattr(request, "num_stale_output_tokens", 0)
        return not is_stale or bool(request.drop_stale_output)
    if status != RequestStatus.WAITING_FOR_STRUCTURED_OUTPUT_GRAMMAR:
        return False
    grammar = getattr(request.structured_output_request, "grammar", None)
    return grammar is not None and not isinstance(grammar, Exception)


def waits_at_once(request: Request) -> bool:
    """Whether one that arrives goes straight into the queue, with nothing of it in memory."""
    return request.status == RequestStatus.WAITING and not request.num_computed_tokens


def max_output_tokens(scheduler: Any, request: Request) -> int:
    """The longest output possible: max_tokens, which some entry points leave unbounded."""
    room: int = scheduler.max_model_len - request.num_prompt_tokens
    limit: int = request.max_tokens
    # One is asked for at each arrival: not by min and max, which take twice as long.
    limit = limit if limit < room else room
    return limit if limit > 1 else 1


def sampling(request: Request) -> Sampling:
    """How the request's reply is sampled; the defaults where it samples nothing (pooling)."""
    params = request.sampling_params
    if params is None:
        return _sampling()
    stop = tuple(params.stop or ())
    is_structured = request.use_structured_output
    return _sampling(params.temperature, params.min_tokens, params.ignore_eos, stop, is_structured)


_sampling = lru_cache(256)(Sampling)
"""Requests are sampled in few ways, and one arrives at any time."""


def reading_pace(request: Request) -> float | None:
    """0 where the client does not stream the reply, so that nobody reads along; else None.

    vLLM's API server asks for FINAL_ONLY then, and so does ``LLM.generate``.
    """
    params = request.sampling_params
    is_streamed = params is None or params.output_kind != RequestOutputKind.FINAL_ONLY
    return None if is_streamed else 0.0


def adapter(request: Request) -> str | None:
    """The name of the LoRA adapter that answers; None for the model itself."""
    return request.lora_request.lora_name if request.lora_request else None


def was_cut(request: Request) -> bool:
    """Whether a request that ended was stopped before its own end (abort, length cap, error).

    Stop strings are looked for where tokens become text, outside the engine, which is then told to
    abort (OutputProcessor.process_outputs): with stop strings, that is how a reply ends.
    """
    if request.status == RequestStatus.FINISHED_ABORTED:
        return not (request.num_output_tokens and sampling(request).stop)
    return bool(request.status != RequestStatus.FINISHED_STOPPED)
