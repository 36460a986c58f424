"""The shape of a `DryEngine`: what vLLM's engine takes from its options and from the model."""

from __future__ import annotations

from dataclasses import dataclass, field

from amin.engine.settings import READING_PACE, check_batch, check_scheduling_policy
from amin.engine.step_time import StepTime
from amin.engine.vllm import seam
from amin.errors import ConfigError

LONGEST = 2**20
"""What the imaginary model allows, in tokens."""


@dataclass(frozen=True)
class DryConfig:
    """The engine's shape. Names are vLLM's where vLLM has them.

    `kv_cache_groups` are those of the imaginary model's layers, each with its window in tokens:
    ("full", 0), ("sliding", window), ("chunked", attention chunk). `max_loras` is how many LoRA
    adapters a step may use; 0 is a model without any. `scheduling_policy` is vLLM's own: with
    "priority" a request's priority means something. Of `num_speculative_tokens` drafts (n-gram) the
    imaginary model takes some, always the same. Prompts are begun in every so many steps, as vLLM's
    `prefill_schedule_interval` has it. `reading_pace` is as in `SimulatorConfig`.
    """

    num_gpu_blocks: int = 512
    block_size: int = 16
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    long_prefill_token_threshold: int = 0
    max_model_len: int = 4096
    enable_prefix_caching: bool = False
    watermark: float = 0.0
    async_scheduling: bool = False
    kv_cache_groups: tuple[tuple[str, int], ...] = (("full", 0),)
    max_loras: int = 0
    scheduling_policy: str = "fcfs"
    num_speculative_tokens: int = 0
    prefill_schedule_interval: int = 1
    reading_pace: float = READING_PACE
    step_time: StepTime = field(default_factory=StepTime)

    def __post_init__(self) -> None:
        for name in ("num_gpu_blocks", "block_size", "max_num_seqs", "max_num_batched_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: got {getattr(self, name)}, allowed: >= 1")
        check_batch(self.max_num_batched_tokens, self.max_num_seqs)
        check_scheduling_policy(self.scheduling_policy)
        if self.num_speculative_tokens and self.async_scheduling:
            raise ConfigError(
                f"num_speculative_tokens: got {self.num_speculative_tokens} with async_scheduling, "
                "allowed: one of them"
            )
        for kind, window in self.kv_cache_groups:
            if kind not in seam.GROUP_KINDS or (kind != "full" and window < 1):
                raise ConfigError(
                    f"kv_cache_groups: got {(kind, window)!r}, allowed: ('full', 0), "
                    "('sliding', tokens) or ('chunked', tokens)"
                )
