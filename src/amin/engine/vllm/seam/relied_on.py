"""Everything of vLLM that is relied on, checked when a scheduler starts.

The scheduler interface of vLLM is not public and changes with every minor version. A name that has
gone is to be missed at start, with the name in the message, and not at the first preemption.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amin.engine.vllm.seam.names import Request, RequestQueue, SamplingParams, Scheduler
from amin.engine.vllm.versions import SUPPORTED, installed_version
from amin.errors import UnsupportedEngineError

# A "|" stands between names of which a version has one: the newer one first.
RELIED_ON_METHODS = {
    Scheduler: (
        "schedule",
        "add_request",
        "update_from_output",
        "finish_requests",
        "has_requests",
        "get_num_unfinished_requests",
        "get_request_counts",
        "_preempt_request",
        "_free_request",
        "shutdown",
    ),
    RequestQueue: (
        "add_request",
        "pop_request",
        "peek_request",
        "prepend_request",
        "prepend_requests",
        "remove_request",
        "remove_requests",
    ),
}
RELIED_ON_ATTRIBUTES = (
    "waiting",
    "running",
    "requests",
    "policy",
    "max_model_len",
    "max_num_active_reqs|max_num_running_reqs",
    "max_num_scheduled_tokens",
    "num_lookahead_tokens",
    "num_waiting_for_streaming_input",
    "_inflight_prefills",
    "pause_state",
    "lora_config",
    "num_spec_tokens",
    "connector",
    "ec_connector",
    "scheduler_config.long_prefill_token_threshold",
    "scheduler_config.max_num_batched_tokens",
    "kv_cache_manager.enable_caching",
    "kv_cache_manager.watermark_blocks",
    "kv_cache_manager.get_blocks",
    "kv_cache_manager.block_pool.num_gpu_blocks",
    "kv_cache_manager.block_pool.get_num_free_blocks",
    "kv_cache_manager.block_pool.get_cached_block",
    "kv_cache_manager.block_pool.hash_block_size",
    "kv_cache_manager.coordinator.find_longest_cache_hit",
    "kv_cache_manager.coordinator.single_type_managers",
)
RELIED_ON_OF_A_CACHE_GROUP = (
    "block_size",
    "kv_cache_spec",
    "max_admission_blocks_per_request|_max_admission_blocks_per_request",
)
RELIED_ON_OF_A_REQUEST = (
    "request_id",
    "status",
    "arrival_time",
    "priority",
    "prompt_token_ids",
    "sampling_params.extra_args",
    "sampling_params.min_tokens",
    "sampling_params.output_kind",
    "lora_request",
    "cache_salt",
    "structured_output_request",
    "use_structured_output",
    "max_tokens",
    "num_prompt_tokens",
    "num_output_tokens",
    "num_tokens",
    "block_hashes",
    "skip_reading_prefix_cache",
    "is_finished",
    "num_computed_tokens",
    "num_in_flight_tokens|num_output_placeholders",
)
OPTIONAL = (
    "adaptive_long_prefill_threshold",
    "deferred_waiting",
    "drop_stale_output",
    "num_stale_output_tokens",
    "skipped_waiting",
    "_select_waiting_queue_for_scheduling",
    "update_draft_token_ids",
)
"""Not in every supported version, and used where they are there, or by the dry engine alone."""


def check_scheduler(scheduler: Any) -> None:
    """Refuse at start, not at the first preemption, if a name that we rely on has gone."""
    missing = missing_names(scheduler)
    if missing:
        raise UnsupportedEngineError(
            f"vLLM {installed_version()} lacks {', '.join(missing)}; supported: {SUPPORTED}"
        )


def missing_names(scheduler: Any) -> list[str]:
    """What is relied on and not there, as Class.name."""
    groups: Sequence[Any] = ()
    if _has(scheduler, "kv_cache_manager.coordinator.single_type_managers"):
        groups = scheduler.kv_cache_manager.coordinator.single_type_managers
    request = Request("", [0], SamplingParams(max_tokens=1), pooling_params=None)
    return [
        f"{cls.__name__}.{name}"
        for cls, names in RELIED_ON_METHODS.items()
        for name in names
        if not callable(getattr(cls, name, None))
    ] + [
        f"{type(owner).__name__}.{path}"
        for owner, paths in (
            (scheduler, RELIED_ON_ATTRIBUTES),
            (request, RELIED_ON_OF_A_REQUEST),
            *((group, RELIED_ON_OF_A_CACHE_GROUP) for group in groups),
        )
        for path in paths
        if not any(_has(owner, one) for one in path.split("|"))
    ]


def _has(owner: Any, path: str) -> bool:
    for name in path.split("."):
        if not hasattr(owner, name):
            return False
        owner = getattr(owner, name)
    return True
