"""What all live tests agree on: a tiny engine, offline, on one core.

The KV cache is so small (23 blocks of 32 tokens for up to 16 running requests) that requests are
preempted, and the model so small that a step takes milliseconds.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

SHAPE: Json = {
    # In bfloat16 two logits are often equal, and which of them wins would be a matter of luck.
    "dtype": "float32",
    "max_model_len": 512,
    "max_num_seqs": 16,
    "block_size": 32,
    "num_gpu_blocks_override": 24,
    "kv_cache_memory_bytes": 1 << 28,
    "enforce_eager": True,
    # As on one GPU. A worker process of its own, vLLM's default on the CPU, and the engine core
    # wait for each other spinning; on two cores the HTTP server then starves for seconds.
    "distributed_executor_backend": "uni",
}
ENVIRONMENT = {
    # On the CPU vLLM grants "uni" only so. A server has an engine process all the same.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Two threads stall erratically on the CPU.
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}
