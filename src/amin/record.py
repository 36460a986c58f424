"""What happened to one request, as times and counts. Every engine writes the same record."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["finished", "rejected", "aborted"]


@dataclass(slots=True)
class RequestRecord:
    """One request's life. Times in seconds on the engine's clock, NaN where it never happened.

    `num_lost_tokens` counts KV entries dropped by preemptions; `num_recomputed_tokens` those of
    them that were computed again (fewer where a prefix cache still held them). `lower` and `upper`
    are the predicted interval of the output length, 0 where nothing was predicted.

    `longest_gap` is the longest time between two tokens of the reply, which began at
    `longest_gap_start` (0 where there are no two); `longest_pause` and
    `total_pause` are how long a reader who takes them at a steady pace found nothing to read
    (`amin.engine.reading`). NaN where no token came, or nobody reads along.
    """

    request_id: str
    arrival_time: float
    num_prompt_tokens: int
    lower: int
    upper: int
    first_scheduled_time: float = math.nan
    first_token_time: float = math.nan
    finish_time: float = math.nan
    num_output_tokens: int = 0
    num_preemptions: int = 0
    num_lost_tokens: int = 0
    num_recomputed_tokens: int = 0
    status: Status = "aborted"
    longest_gap: float = math.nan
    longest_pause: float = math.nan
    total_pause: float = math.nan
    longest_gap_start: float = math.nan

    @property
    def e2e_latency(self) -> float:
        """Seconds from arrival to the last token."""
        return self.finish_time - self.arrival_time

    @property
    def ttft(self) -> float:
        """Seconds from arrival to the first token."""
        return self.first_token_time - self.arrival_time

    @property
    def tpot(self) -> float:
        """Seconds per output token after the first; NaN for a single token."""
        if self.num_output_tokens < 2:
            return math.nan
        return (self.e2e_latency - self.ttft) / (self.num_output_tokens - 1)


@dataclass(frozen=True, slots=True)
class StepSample:
    """The state of an engine after one scheduling step: what a memory-over-time plot needs."""

    time: float
    num_used_blocks: int
    num_running: int
    num_waiting: int


@dataclass(slots=True)
class RunResult:
    """One policy on one workload: what every engine returns and every report reads."""

    policy: str
    engine: str
    seed: int
    num_blocks: int
    block_size: int
    records: list[RequestRecord]
    samples: list[StepSample] = field(default_factory=list)
    schedule_time: float = 0.0
    """Seconds of wall clock spent inside the scheduler's ``schedule()``."""
    num_steps: int = 0
