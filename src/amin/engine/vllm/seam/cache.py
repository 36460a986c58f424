"""The KV cache of a scheduler: its shape, what is free, what a request holds of it."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from amin.arrays import Ints
from amin.engine.vllm.seam.names import FullAttentionSpec, Request
from amin.engine.vllm.seam.step import num_lookahead_tokens

UNBOUNDED = 2**40
"""More tokens than any request has."""


@dataclass(frozen=True)
class BoundedGroup:
    """A KV cache group in which a request holds so many blocks at most, however long it gets.

    block_size  tokens per block
    decoding    most blocks while it decodes: the window, and one block that the window cuts
    computing   most blocks while its prompt is computed: the window and the tokens in flight
    """

    block_size: int
    decoding: int
    computing: int

    @classmethod
    def of(cls, group: Any, lookahead: int) -> BoundedGroup:
        """Read the limits off vLLM's manager of a sliding-window, chunked or state group."""
        spec, size = group.kv_cache_spec, int(group.block_size)
        window = getattr(spec, "sliding_window", None) or size
        window = getattr(spec, "attention_chunk_size", None) or window
        decoding = -(-(window + lookahead) // size) + 1
        # vLLM's own bound at admission (SlidingWindowSpec.max_admission_blocks_per_request).
        if hasattr(group, "max_admission_blocks_per_request"):
            most = group.max_admission_blocks_per_request
        else:
            most = group._max_admission_blocks_per_request
        return cls(size, decoding, max(most or 0, decoding))


@dataclass(frozen=True)
class CacheShape:
    """The KV cache as the memory forecast sees it.

    num_blocks   blocks that requests can use
    watermark    blocks of these that vLLM keeps free at admission
    block_size   tokens per block of the groups that grow
    num_growing  KV cache groups that hold every token (full attention)
    bounded      the groups of bounded size (sliding window, chunked attention, state)
    """

    num_blocks: int
    watermark: int
    block_size: int
    num_growing: int
    bounded: tuple[BoundedGroup, ...]

    @classmethod
    def of(cls, scheduler: Any) -> CacheShape:
        """Read the shape off a scheduler that vLLM has made."""
        manager = scheduler.kv_cache_manager
        groups = manager.coordinator.single_type_managers
        growing = [g for g in groups if isinstance(g.kv_cache_spec, FullAttentionSpec)]
        return cls(
            # One block of the pool is vLLM's null block and never used.
            num_blocks=manager.block_pool.num_gpu_blocks - 1,
            watermark=manager.watermark_blocks,
            block_size=int((growing or groups)[0].block_size),
            num_growing=len(growing),
            bounded=tuple(
                BoundedGroup.of(group, num_lookahead_tokens(scheduler))
                for group in groups
                if group not in growing
            ),
        )

    @cached_property
    def capacity_tokens(self) -> int:
        """Tokens of one request, its prompt computed in one step, that the cache could hold."""
        most = bisect.bisect_right(
            range(UNBOUNDED), self.num_blocks, key=lambda n: self.num_blocks_of(n, True)
        )
        return max(most - 1, self.block_size)

    def num_blocks_of(self, num_tokens: int, is_computing: bool = False) -> int:
        """Blocks of all groups that a request of this length holds."""
        growing = -(-num_tokens // self.block_size) * self.num_growing
        return growing + self.num_bounded_blocks_of(num_tokens, is_computing)

    def num_bounded_blocks_of(self, num_tokens: int, is_computing: bool) -> int:
        """Blocks of the bounded groups that a request of this length holds at most."""
        return sum(
            min(
                -(-num_tokens // group.block_size),
                group.computing if is_computing else group.decoding,
            )
            for group in self.bounded
        )

    @cached_property
    def sizes(self) -> Ints:
        """The block size of each group, bounded ones among them."""
        sizes = [self.block_size] * self.num_growing + [g.block_size for g in self.bounded]
        return np.array(sizes, np.int64)

    @cached_property
    def bounded_rows(self) -> Ints:
        """(block size, decoding, computing) of each bounded group."""
        rows = [(g.block_size, g.decoding, g.computing) for g in self.bounded]
        return np.array(rows, np.int64).reshape(-1, 3)

    def num_blocks_per_step(self, num_lookahead_tokens: int) -> int:
        """Blocks that a decoding request may ask for in one step at most."""
        return sum(1 + num_lookahead_tokens // int(size) for size in self.sizes)


def has_prefix_cache(scheduler: Any) -> bool:
    """Whether blocks keep what they hold until they are used again."""
    return bool(scheduler.kv_cache_manager.enable_caching)


OFFLOADING = "OffloadingConnector", "SimpleCPUOffloadConnector"
"""vLLM's connectors that keep what leaves the KV cache in memory of the CPU."""


def swaps(scheduler: Any) -> bool:
    """Whether a preempted request finds what it held again, outside of the KV cache."""
    return type(scheduler.connector).__name__ in OFFLOADING


def num_free_blocks(scheduler: Any) -> int:
    """Blocks that can be handed out now."""
    return int(scheduler.kv_cache_manager.block_pool.get_num_free_blocks())


def num_blocks_in_use(scheduler: Any) -> int:
    """Blocks that somebody holds now, vLLM's null block aside."""
    pool = scheduler.kv_cache_manager.block_pool
    return int(pool.num_gpu_blocks - 1 - pool.get_num_free_blocks())


def num_private_blocks(scheduler: Any, request: Request) -> int:
    """Blocks that would be free if this running request left: those that nobody shares."""
    blocks = scheduler.kv_cache_manager.get_blocks(request.request_id).blocks
    return sum(block.ref_cnt == 1 and not block.is_null for group in blocks for block in group)


def found_on_admission(scheduler: Any, request: Request) -> tuple[int, int]:
    """(blocks of its prefix that a running request holds, tokens that need not be computed)."""
    if not has_prefix_cache(scheduler) or request.num_computed_tokens:
        return 0, int(request.num_computed_tokens)
    hits, num_tokens = _found_in_cache(scheduler, request)
    shared = sum(block.ref_cnt > 0 and not block.is_null for group in hits for block in group)
    return shared, num_tokens


def prefix_lookup(scheduler: Any) -> Callable[[Request], int]:
    """A function: how many tokens of a request's prompt does the prefix cache hold now?"""
    find: Callable[[Any, Request], int]
    find = _num_cached_plainly if _is_plain(scheduler) else _num_cached

    def look_up(request: Request) -> int:
        if request.num_computed_tokens:
            return 0
        num_prompt_tokens: int = request.num_prompt_tokens
        return min(find(scheduler, request), num_prompt_tokens)

    return look_up


def _num_cached(scheduler: Any, request: Request) -> int:
    _, num_tokens = _found_in_cache(scheduler, request)
    return num_tokens


def _is_plain(scheduler: Any) -> bool:
    """Whether a prompt is cached for as far as each of its blocks is, one after the other."""
    coordinator = scheduler.kv_cache_manager.coordinator
    groups, pool = coordinator.single_type_managers, coordinator.block_pool
    is_full = len(groups) == 1 and type(groups[0].kv_cache_spec) is FullAttentionSpec
    has_drafts = bool(scheduler.num_spec_tokens)
    return is_full and not has_drafts and groups[0].block_size == pool.hash_block_size


def _num_cached_plainly(scheduler: Any, request: Request) -> int:
    """As `_found_in_cache`, in a twentieth of the time where the first block is not there."""
    if request.skip_reading_prefix_cache:
        return 0
    pool, hashes = scheduler.kv_cache_manager.block_pool, request.block_hashes
    size = int(pool.hash_block_size)
    group, most = [0], min((int(request.num_tokens) - 1) // size, len(hashes))
    for number in range(most):
        if pool.get_cached_block(hashes[number], group) is None:
            return number * size
    return most * size


def _found_in_cache(scheduler: Any, request: Request) -> tuple[Any, int]:
    """(blocks of each group, tokens), as KVCacheManager.get_computed_blocks finds them.

    Asked below it, since up to 0.26 it counts each question in vLLM's statistics of the cache.
    """
    if request.skip_reading_prefix_cache:
        return (), 0
    # The last token is always computed, since that makes the next one.
    coordinator, most = scheduler.kv_cache_manager.coordinator, request.num_tokens - 1
    hits, num_tokens = coordinator.find_longest_cache_hit(request.block_hashes, most)[:2]
    return hits, int(num_tokens)


def num_blocks_held(scheduler: Any, request: Request) -> int:
    """Blocks of all groups that this running request holds, alone or with others."""
    blocks = scheduler.kv_cache_manager.get_blocks(request.request_id).blocks
    return sum(not block.is_null for group in blocks for block in group)
