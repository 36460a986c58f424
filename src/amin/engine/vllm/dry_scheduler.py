"""vLLM's scheduler for the dry engine: made of a model's configuration, without any weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from amin.engine.vllm import seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.dry_config import LONGEST, DryConfig
from amin.engine.vllm.scheduler import AminScheduler

_MODEL_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "num_hidden_layers": 1,
    "vocab_size": 2**31 - 1,
    "max_position_embeddings": LONGEST,
    "torch_dtype": "bfloat16",
}


@contextmanager
def model_folder() -> Iterator[str]:
    """A folder with the configuration of a model, which is all that is read of it."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "config.json").write_text(json.dumps(_MODEL_CONFIG))
        yield directory


def make_scheduler(config: DryConfig, scheduler: str | AminConfig) -> Any:
    """Stock of this name, or ours with these settings."""
    with model_folder() as directory:
        vllm_config = seam.engine_config(
            directory,
            max_model_len=config.max_model_len,
            block_size=config.block_size,
            max_num_seqs=config.max_num_seqs,
            max_num_batched_tokens=config.max_num_batched_tokens,
            long_prefill_token_threshold=config.long_prefill_token_threshold,
            enable_prefix_caching=config.enable_prefix_caching,
            watermark=config.watermark,
            speculative_config=_ngram(config.num_speculative_tokens),
            enable_lora=config.max_loras > 0,
            max_loras=max(config.max_loras, 1),
            scheduling_policy=(
                "priority" if scheduler == "vllm-priority" else config.scheduling_policy
            ),
            additional_config={} if isinstance(scheduler, str) else {"amin": asdict(scheduler)},
        )
    vllm_config.scheduler_config.async_scheduling = config.async_scheduling
    stock = seam.AsyncScheduler if config.async_scheduling else seam.Scheduler
    return seam.build_scheduler(
        vllm_config,
        stock if isinstance(scheduler, str) else AminScheduler,
        config.num_gpu_blocks,
        config.kv_cache_groups,
    )


def _ngram(num_tokens: int) -> dict[str, Any] | None:
    drafted = {"num_speculative_tokens": num_tokens, "prompt_lookup_min": 2, "prompt_lookup_max": 4}
    return {"method": "ngram", **drafted} if num_tokens else None
