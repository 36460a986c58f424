"""Every vLLM name that amin touches, in one file.

The scheduler interface of vLLM is not public and changes with every minor version: whatever
differs between versions is to be settled here, so that the rest of this package need not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amin.engine.vllm.versions import SUPPORTED, installed_version, require_supported_version
from amin.errors import UnsupportedEngineError
from amin.request import Sampling

require_supported_version()

import torch  # noqa: E402
from vllm import SamplingParams  # noqa: E402
from vllm.config import VllmConfig  # noqa: E402
from vllm.engine.arg_utils import EngineArgs  # noqa: E402
from vllm.logger import init_logger  # noqa: E402
from vllm.utils.hashing import sha256  # noqa: E402
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash  # noqa: E402
from vllm.v1.core.sched.async_scheduler import AsyncScheduler  # noqa: E402
from vllm.v1.core.sched.request_queue import RequestQueue, SchedulingPolicy  # noqa: E402
from vllm.v1.core.sched.scheduler import Scheduler  # noqa: E402
from vllm.v1.engine.llm_engine import LLMEngine  # noqa: E402
from vllm.v1.kv_cache_interface import (  # noqa: E402
    FullAttentionSpec,
    KVCacheConfig,
    KVCacheGroupSpec,
)
from vllm.v1.outputs import ModelRunnerOutput  # noqa: E402
from vllm.v1.request import Request, RequestStatus  # noqa: E402
from vllm.v1.structured_output import StructuredOutputManager  # noqa: E402

__all__ = [
    "AsyncScheduler",
    "CacheShape",
    "EngineArgs",
    "LLMEngine",
    "ModelRunnerOutput",
    "Request",
    "RequestQueue",
    "RequestStatus",
    "SamplingParams",
    "Scheduler",
    "SchedulingPolicy",
    "VllmConfig",
    "build_scheduler",
    "check_scheduler",
    "is_ready",
    "logger",
    "num_blocks_shared_on_admission",
    "num_blocks_to_come",
    "num_free_blocks",
    "num_private_blocks",
    "prefix_block_hasher",
    "sampling",
    "was_cut",
]

logger = init_logger("vllm.amin")
"""Below vLLM's own logger, the only one that vLLM configures: INFO lines of others go nowhere."""

_RELIED_ON = {
    Scheduler: (
        "schedule",
        "add_request",
        "_preempt_request",
        "_free_request",
        "get_request_counts",
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


def check_scheduler(scheduler: Any) -> None:
    """Refuse at start, not at the first preemption, if a name that we rely on has gone."""
    missing = [
        f"{cls.__name__}.{name}"
        for cls, names in _RELIED_ON.items()
        for name in names
        if not callable(getattr(cls, name, None))
    ] + [
        f"Scheduler.{name}"
        for name in ("waiting", "running", "requests", "kv_cache_manager", "_inflight_prefills")
        if not hasattr(scheduler, name)
    ]
    if missing:
        raise UnsupportedEngineError(
            f"vLLM {installed_version()} lacks {', '.join(missing)}; supported: {SUPPORTED}"
        )


@dataclass(frozen=True)
class CacheShape:
    """The KV cache as the memory forecast sees it.

    num_blocks   blocks that requests can use
    watermark    blocks of these that vLLM keeps free at admission
    block_size   tokens per block of the groups that grow
    num_growing  KV cache groups that hold every token (full attention)
    bounded      (block size, most blocks) of each group of bounded size (sliding window, state)
    """

    num_blocks: int
    watermark: int
    block_size: int
    num_growing: int
    bounded: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, scheduler: Any) -> CacheShape:
        """Read the shape off a scheduler that vLLM has made."""
        manager = scheduler.kv_cache_manager
        singles = manager.coordinator.single_type_managers
        growing = [m for m in singles if isinstance(m.kv_cache_spec, FullAttentionSpec)]
        bounded = []
        for single in singles:
            if single not in growing:
                spec = single.kv_cache_spec
                window = getattr(spec, "sliding_window", None) or single.block_size
                window = getattr(spec, "attention_chunk_size", None) or window
                bounded.append((single.block_size, -(-window // single.block_size) + 1))
        return cls(
            # One block of the pool is vLLM's null block and never used.
            num_blocks=manager.block_pool.num_gpu_blocks - 1,
            watermark=manager.watermark_blocks,
            block_size=int((growing or singles)[0].block_size),
            num_growing=len(growing),
            bounded=tuple(bounded),
        )

    @property
    def capacity_tokens(self) -> int:
        """Tokens of one request that the whole cache could hold."""
        left = self.num_blocks - sum(most for _, most in self.bounded)
        return max(left // max(self.num_growing, 1), 1) * self.block_size

    def num_bounded_blocks(self, num_tokens: int) -> int:
        """Blocks of the bounded groups that a request of this length holds at most."""
        return sum(min(-(-num_tokens // size), most) for size, most in self.bounded)


def num_free_blocks(scheduler: Any) -> int:
    """Blocks that can be handed out now."""
    return int(scheduler.kv_cache_manager.block_pool.get_num_free_blocks())


def num_private_blocks(scheduler: Any, request: Request) -> int:
    """Blocks that would be free if this running request left: those that nobody shares."""
    blocks = scheduler.kv_cache_manager.get_blocks(request.request_id).blocks
    return sum(block.ref_cnt == 1 and not block.is_null for group in blocks for block in group)


def num_blocks_shared_on_admission(scheduler: Any, request: Request) -> int:
    """Blocks of the request's prefix that a running request holds already."""
    manager = scheduler.kv_cache_manager
    if not manager.enable_caching or request.num_computed_tokens:
        return 0
    hits = manager.get_computed_blocks(request)[0].blocks
    return sum(block.ref_cnt > 0 and not block.is_null for group in hits for block in group)


def num_blocks_to_come(scheduler: Any, cache: CacheShape) -> int:
    """Blocks that running requests have yet to take for prompts that are computed in chunks."""
    to_come = 0
    for request in scheduler._inflight_prefills:
        held = len(scheduler.kv_cache_manager.get_blocks(request.request_id).blocks[0])
        whole = -(-request.num_tokens // cache.block_size)
        to_come += max(whole - held, 0) * cache.num_growing
    return to_come


def is_ready(request: Request) -> bool:
    """False while something other than memory holds it back; vLLM then skips past it."""
    return request.status in (RequestStatus.WAITING, RequestStatus.PREEMPTED)


def sampling(request: Request) -> Sampling:
    """How the request's reply is sampled; the defaults where it samples nothing (pooling)."""
    params = request.sampling_params
    if params is None:
        return Sampling()
    return Sampling(
        temperature=params.temperature,
        min_tokens=params.min_tokens,
        ignore_eos=params.ignore_eos,
        stop=tuple(params.stop or ()),
        is_structured=request.use_structured_output,
    )


def was_cut(request: Request) -> bool:
    """Whether a request that ended was stopped before its own end (abort, length cap, error)."""
    return bool(request.status != RequestStatus.FINISHED_STOPPED)


def engine_config(model_directory: str, **engine_args: Any) -> VllmConfig:
    """The configuration vLLM itself would make for these engine arguments, tokenizer aside."""
    return EngineArgs(
        model=model_directory, skip_tokenizer_init=True, enforce_eager=True, **engine_args
    ).create_engine_config()


def build_scheduler(config: VllmConfig, scheduler_class: type[Scheduler], num_blocks: int) -> Any:
    """A scheduler with its KV cache manager and no worker behind it: one full-attention group."""
    block_size = config.cache_config.block_size
    config.cache_config.num_gpu_blocks = num_blocks
    spec = FullAttentionSpec(
        block_size=block_size, num_kv_heads=1, head_size=32, dtype=torch.bfloat16
    )
    return scheduler_class(
        vllm_config=config,
        kv_cache_config=KVCacheConfig(
            num_blocks=num_blocks,
            kv_cache_tensors=[],
            kv_cache_groups=[KVCacheGroupSpec(["layer0"], spec)],
        ),
        structured_output_manager=StructuredOutputManager(config),
        block_size=block_size,
        hash_block_size=block_size,
        log_stats=False,
    )


def prefix_block_hasher(block_size: int) -> Any:
    """What gives requests the block hashes that prefix caching looks up."""
    init_none_hash(sha256)
    return get_request_block_hasher(block_size, sha256)
