"""All that amin touches of vLLM, behind one name.

Whatever differs between versions of vLLM is to be settled in here, so that the rest of amin need
not know: `names` (what is imported), `relied_on` (what is checked at start), `step`, `cache` and
`requests` (what is read), `stock` (what vLLM does by itself), `build` (a scheduler without a
model).
"""

from amin.engine.vllm.seam.build import (
    GROUP_KINDS,
    build_scheduler,
    engine_config,
    prefix_block_hasher,
)
from amin.engine.vllm.seam.cache import (
    CacheShape,
    found_on_admission,
    has_prefix_cache,
    num_blocks_held,
    num_blocks_in_use,
    num_free_blocks,
    num_private_blocks,
    prefix_lookup,
    swaps,
)
from amin.engine.vllm.seam.names import (
    AsyncScheduler,
    DraftTokenIds,
    EngineArgs,
    LLMEngine,
    LoRARequest,
    ModelRunnerOutput,
    Request,
    RequestQueue,
    RequestStatus,
    SamplingParams,
    Scheduler,
    SchedulingPolicy,
    create_request_queue,
    logger,
)
from amin.engine.vllm.seam.relied_on import check_scheduler, missing_names
from amin.engine.vllm.seam.requests import (
    adapter,
    can_be_admitted,
    max_output_tokens,
    reading_pace,
    sampling,
    waits_at_once,
    was_cut,
)
from amin.engine.vllm.seam.skipped import own_skipped_queue
from amin.engine.vllm.seam.step import (
    admitted_first,
    is_full,
    is_paused,
    note_preempted,
    num_lookahead_tokens,
    num_tokens_in_flight,
    prompts_being_computed,
    running,
    skipped_alike,
    step_limits,
    waiting,
)
from amin.engine.vllm.seam.stock import (
    engine_rank,
    stock_policy,
    stock_scheduler,
    why_left_to_vllm,
)

__all__ = [
    "GROUP_KINDS",
    "AsyncScheduler",
    "CacheShape",
    "DraftTokenIds",
    "EngineArgs",
    "LLMEngine",
    "LoRARequest",
    "ModelRunnerOutput",
    "Request",
    "RequestQueue",
    "RequestStatus",
    "SamplingParams",
    "Scheduler",
    "SchedulingPolicy",
    "adapter",
    "admitted_first",
    "build_scheduler",
    "can_be_admitted",
    "check_scheduler",
    "create_request_queue",
    "engine_config",
    "engine_rank",
    "found_on_admission",
    "has_prefix_cache",
    "is_full",
    "is_paused",
    "logger",
    "max_output_tokens",
    "missing_names",
    "note_preempted",
    "num_blocks_held",
    "num_blocks_in_use",
    "num_free_blocks",
    "num_lookahead_tokens",
    "num_private_blocks",
    "num_tokens_in_flight",
    "own_skipped_queue",
    "prefix_block_hasher",
    "prefix_lookup",
    "prompts_being_computed",
    "reading_pace",
    "running",
    "sampling",
    "skipped_alike",
    "step_limits",
    "stock_policy",
    "stock_scheduler",
    "swaps",
    "waiting",
    "waits_at_once",
    "was_cut",
    "why_left_to_vllm",
]
