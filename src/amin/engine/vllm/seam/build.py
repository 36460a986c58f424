"""A scheduler without a worker behind it, for the dry engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from amin.engine.vllm.seam.names import (
    ChunkedLocalAttentionSpec,
    EngineArgs,
    FullAttentionSpec,
    KVCacheConfig,
    KVCacheGroupSpec,
    Scheduler,
    SlidingWindowSpec,
    StructuredOutputManager,
    VllmConfig,
    get_request_block_hasher,
    init_none_hash,
    sha256,
)

GROUP_KINDS = ("full", "sliding", "chunked")


def engine_config(model_directory: str, **engine_args: Any) -> VllmConfig:
    """The configuration vLLM itself would make for these engine arguments, tokenizer aside."""
    return EngineArgs(
        model=model_directory, skip_tokenizer_init=True, enforce_eager=True, **engine_args
    ).create_engine_config()


def build_scheduler(
    config: VllmConfig,
    scheduler_class: type[Scheduler],
    num_blocks: int,
    groups: Sequence[tuple[str, int]] = (("full", 0),),
) -> Any:
    """A scheduler with its KV cache manager and no worker behind it.

    `groups` are the KV cache groups of the imaginary model: (full, sliding or chunked; window).
    """
    block_size = config.cache_config.block_size
    config.cache_config.num_gpu_blocks = num_blocks
    shape = {"num_kv_heads": 1, "head_size": 32, "dtype": torch.bfloat16, "block_size": block_size}
    make = {
        "full": lambda window: FullAttentionSpec(**shape),
        "sliding": lambda window: SlidingWindowSpec(sliding_window=window, **shape),
        "chunked": lambda window: ChunkedLocalAttentionSpec(attention_chunk_size=window, **shape),
    }
    return scheduler_class(
        vllm_config=config,
        kv_cache_config=KVCacheConfig(
            num_blocks=num_blocks,
            kv_cache_tensors=[],
            kv_cache_groups=[
                KVCacheGroupSpec([f"layer{i}"], make[kind](window))
                for i, (kind, window) in enumerate(groups)
            ],
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
