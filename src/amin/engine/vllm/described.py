"""What a server is like, in the words of a log's first line (`amin.workload.served.Server`)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from amin import __version__
from amin.engine.settings import promise_in_words
from amin.engine.vllm import seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.versions import installed_version
from amin.workload.served import Server


def described(
    scheduler: Any, config: AminConfig, cache: seam.CacheShape, floor: int
) -> dict[str, Any]:
    """Everything that a simulation of this scheduler needs to be told."""
    limits = scheduler.scheduler_config
    tail, stream = map(promise_in_words, (config.tail_promise, config.stream_promise))
    server = Server(
        kv_tokens=cache.num_blocks * cache.block_size,
        block_size=cache.block_size,
        max_num_seqs=int(limits.max_num_seqs),
        max_num_batched_tokens=int(limits.max_num_batched_tokens),
        enable_prefix_caching=bool(seam.has_prefix_cache(scheduler)),
        async_scheduling=bool(limits.async_scheduling),
        scheduling_policy=seam.stock_policy(scheduler).value,
        eviction="swap" if seam.swaps(scheduler) else "recompute",
        forecast_floor=floor,
        policy=f"{config.policy}+{tail}~{stream}",
        vllm=str(installed_version()),
        amin=__version__,
    )
    return asdict(server)
