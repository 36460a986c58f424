"""The shape of a simulated engine."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from amin.engine.promise_books import Rates
from amin.engine.settings import (
    READING_PACE,
    check_batch,
    check_forecast_floor,
    check_scheduling_policy,
    forecast_floor_of,
)
from amin.engine.simulator.state import (
    POLICY,
    RECOMPUTE,
    RESTART,
    SWAP,
    VLLM_PRIORITY,
    Cost,
    Limits,
)
from amin.engine.step_time import UNIT, StepTime
from amin.errors import ConfigError, UnknownNameError
from amin.policy.interface import Policy

EVICTIONS = {"recompute": RECOMPUTE, "restart": RESTART, "swap": SWAP}

UNLIMITED = 2**40


@dataclass(frozen=True)
class SimulatorConfig:
    """How much memory there is, what may run, what a step costs. Names are vLLM's where it has one.

    num_blocks, block_size  the KV cache: blocks that requests can use, tokens in each
    watermark               share of the blocks that vLLM keeps free at admission
    forecast_floor          forecast at least so many more tokens of every request; None: as many as
                            is best for this `eviction` (`amin.engine.settings`)
    enable_prefix_caching   blocks keep what they hold until they are used again, so that a request
                            with the same prefix need not compute it; only where eviction is
                            recompute, and not in the paper's model
    eviction                what becomes of a preempted request. recompute (vLLM): it keeps the
                            tokens that it made and computes their KV again. restart (the paper): it
                            loses them. swap: its KV is copied out and in again, at
                            `seconds_per_swapped_token` each way
    is_unit_time            the paper's model in place of vLLM's: the token that is being made
                            counts as memory, and requests are admitted in a step that preempted,
                            too (arXiv 2508.14544, section 2)
    scheduling_policy       priority (vLLM's --scheduling-policy): the more urgent class goes first,
                            whatever the policy, which orders within a class; fcfs: there are none
    reading_pace            tokens that the reader of a reply takes in a second, where neither it
                            says so nor a stream promise: what pauses are measured by
    """

    num_blocks: int
    block_size: int = 16
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    long_prefill_token_threshold: int = 0
    max_model_len: int = UNLIMITED
    enable_prefix_caching: bool = False
    watermark: float = 0.0
    forecast_floor: int | None = None
    eviction: str = "recompute"
    step_time: StepTime = field(default_factory=StepTime)
    seconds_per_swapped_token: float = 0.0
    is_unit_time: bool = False
    scheduling_policy: str = "fcfs"
    reading_pace: float = READING_PACE

    def __post_init__(self) -> None:
        for name, least in (
            ("num_blocks", 1),
            ("block_size", 1),
            ("max_num_seqs", 1),
            ("max_num_batched_tokens", 1),
            ("long_prefill_token_threshold", 0),
            ("max_model_len", 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name}: got {value!r}, allowed: an integer >= {least}")
        check_forecast_floor(self.forecast_floor)
        check_batch(self.max_num_batched_tokens, self.max_num_seqs)
        check_scheduling_policy(self.scheduling_policy)
        if not 0 < self.reading_pace < math.inf:
            raise ConfigError(f"reading_pace: got {self.reading_pace}, allowed: a number > 0")
        if not 0 <= self.watermark < 1:
            raise ConfigError(f"watermark: got {self.watermark}, allowed: 0 <= watermark < 1")
        if not 0 <= self.seconds_per_swapped_token < float("inf"):
            got = self.seconds_per_swapped_token
            raise ConfigError(f"seconds_per_swapped_token: got {got}, allowed: >= 0")
        if self.eviction not in EVICTIONS:
            raise UnknownNameError("eviction", self.eviction, EVICTIONS)
        if self.enable_prefix_caching and (self.is_unit_time or self.eviction != "recompute"):
            model = "the unit-time model" if self.is_unit_time else f"eviction {self.eviction!r}"
            raise ConfigError(
                f"enable_prefix_caching: got True with {model}, allowed: only with eviction "
                "'recompute' and a step time other than unit"
            )

    @classmethod
    def unit_time(cls, kv_tokens: int, eviction: str = "restart") -> SimulatorConfig:
        """The paper's model: one worker, so many tokens of KV memory, steps that take 1."""
        return cls(
            num_blocks=kv_tokens,
            block_size=1,
            max_num_seqs=UNLIMITED,
            max_num_batched_tokens=UNLIMITED,
            forecast_floor=1,
            eviction=eviction,
            step_time=UNIT,
            is_unit_time=True,
        )

    @property
    def capacity_tokens(self) -> int:
        """Tokens of the longest request that can run."""
        return min(self.num_blocks * self.block_size, self.max_model_len)

    @property
    def swaps(self) -> bool:
        """Whether a preempted request keeps what it held, outside of this memory."""
        return self.eviction == "swap"

    @property
    def lookahead(self) -> int:
        """Tokens that a request holds beyond those that are computed."""
        return int(self.is_unit_time)

    @property
    def cost(self) -> Cost:
        """The step time as the kernel takes it."""
        time = self.step_time
        return Cost(
            float(time.seconds_per_step),
            float(time.seconds_per_token),
            float(time.seconds_per_kv_token),
            float(self.seconds_per_swapped_token),
            time.points_array,
        )

    def limits(
        self,
        policy: Policy,
        rules_of: int,
        promise: float | None,
        has_stream_promise: bool,
        coverage: float,
        ttft_target: float | None,
        has_fair_share: bool,
        max_steps_without_end: int,
    ) -> Limits:
        """The shape as the kernel takes it, with what it must know of the policy.

        `promise` is that of `amin.engine.promise`, and `has_stream_promise` says whether there is
        that of `amin.engine.stream_promise`; vLLM's own schedulers make none. `coverage` is
        that of `amin.predictor.online`, 0 without it. For `ttft_target` and shares see
        `amin.engine.precedence`.
        """
        is_ours = rules_of == POLICY
        capacity = self.num_blocks * self.block_size
        rates = Rates.of(capacity, self.max_num_seqs)
        has_promise = is_ours and promise is not None
        has_priorities = is_ours and self.scheduling_policy == "priority"
        has_target = is_ours and ttft_target is not None
        has_fair_share = is_ours and has_fair_share
        is_asked = has_promise or has_stream_promise or has_fair_share
        return Limits(
            num_blocks=self.num_blocks,
            block_size=self.block_size,
            # vLLM counts its null block too (vllm/v1/core/kv_cache_manager.py, watermark_blocks).
            watermark=int(self.watermark * (self.num_blocks + 1)),
            max_num_seqs=self.max_num_seqs,
            max_num_batched_tokens=self.max_num_batched_tokens,
            long_prefill_token_threshold=self.long_prefill_token_threshold,
            capacity_tokens=capacity - self.lookahead,
            lookahead=self.lookahead,
            forecast_floor=forecast_floor_of(self.forecast_floor, self.swaps),
            rules_of=rules_of,
            preempted_first=int(policy.preempted_first and rules_of != VLLM_PRIORITY),
            has_forecast=int(policy.has_forecast and is_ours),
            leaves_at_bound=int(policy.leaves_at_bound),
            eviction=EVICTIONS[self.eviction],
            is_unit_time=int(self.is_unit_time),
            has_prefix_cache=int(self.enable_prefix_caching),
            # Where nobody asks what was learned, a run is half as long without it.
            learns=int(
                is_ours
                and not policy.is_clairvoyant
                and (policy.reads_lengths or is_asked or coverage > 0)
            ),
            coverage=coverage,
            has_promise=int(has_promise),
            has_stream_promise=int(is_ours and has_stream_promise),
            has_priorities=int(has_priorities),
            has_ranks=int(has_priorities or has_target or has_fair_share),
            has_fair_share=int(has_fair_share),
            ttft_target=float(ttft_target) if ttft_target and has_target else math.inf,
            promise=float(promise) if promise is not None else math.inf,
            # In the paper's model a step takes 1, whatever is computed in it.
            rates=rates._replace(per_token=0.0) if self.is_unit_time else rates,
            max_steps_without_end=max_steps_without_end,
        )
