"""What is simulated, in a user's words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from amin.engine.settings import (
    DEFAULT_POLICY,
    READING_PACE,
    TAIL_PROMISE,
    forecast_floor_of,
)
from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.simulator.config import UNLIMITED
from amin.engine.simulator.engine import find_policy
from amin.engine.step_time import StepTime
from amin.engine.stock import STOCK
from amin.errors import ConfigError
from amin.policy.catalog import POLICIES, get_policy
from amin.policy.interface import Policy
from amin.predictor.interface import Predictor

UNIT_TIME = "unit"

STEP_TIME = "linear:0.03,0.00015"
"""No GPU's in particular, so that every answer that rests on it says so first: 8 billion weights on
an H200 take a sixth of that (docs/vllm.md)."""


PAPER: dict[str, Any] = {
    "block_size": 1,
    "step_time": UNIT_TIME,
    "predictor": "constant:1",
    "enable_prefix_caching": False,
    "tail_promise": None,
    "stream_promise": None,
}
"""What the paper's model has where a server has something else."""


@dataclass(frozen=True)
class Setting:
    """One policy on so many tokens of KV memory; the defaults are those of ``amin serve``.

    The engine is vLLM's: preempted requests keep their tokens and compute them again, 256 requests
    and 2,048 tokens in a batch, a forecast of at least 15 tokens. None stands for these defaults,
    and for no promise. vLLM's own schedulers make no promises, whatever is set here.

    With `step_time` ``unit`` the policies of amin run in the paper's model (`Setting.paper`): steps
    take 1, the token being made counts as memory, preempted requests restart (but for a policy that
    might then go on for ever), and nothing but memory limits a batch.
    """

    kv_tokens: int
    policy: str | Policy = DEFAULT_POLICY
    block_size: int = 16
    eviction: str | None = None
    step_time: str | StepTime = STEP_TIME
    predictor: str | Predictor = "online"
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    enable_prefix_caching: bool = True
    watermark: float = 0.0
    forecast_floor: int | None = None
    tail_promise: float | None = TAIL_PROMISE
    stream_promise: float | None = READING_PACE
    ttft_target: float | None = None
    fair_share: str | None = None
    reading_pace: float = READING_PACE
    seed: int = 0
    scheduling_policy: str = "fcfs"

    def __post_init__(self) -> None:
        for name in ("kv_tokens", "block_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name}: got {value!r}, allowed: an integer >= 1")
        if self.kv_tokens < self.block_size:
            raise ConfigError(
                f"kv_tokens: got {self.kv_tokens}, allowed: a block at least ({self.block_size})"
            )
        # Checks the rest.
        _ = self.config

    @classmethod
    def paper(cls, kv_tokens: int, policy: str | Policy = "amin-static", **changes: Any) -> Self:
        """The model of arXiv 2508.14544 in place of a server, with these changes to it."""
        return cls(kv_tokens, policy, **(PAPER | changes))

    @property
    def is_stock(self) -> bool:
        """Whether one of vLLM's own schedulers decides."""
        return isinstance(self.policy, str) and self.policy in STOCK

    @property
    def is_unit_time(self) -> bool:
        """Whether this is the paper's model, and not vLLM's engine."""
        return self.step_time == UNIT_TIME and not self.is_stock

    @property
    def _may_restart(self) -> bool:
        policy = self.policy
        if isinstance(policy, str) and ":" in policy:
            policy = get_policy(policy)
        elif isinstance(policy, str):
            # A name that is not known is refused where the engine is made.
            policy = POLICIES.get(policy, POLICIES["fcfs"])
        return not policy.needs_kept_tokens

    @cached_property
    def config(self) -> SimulatorConfig:
        """The engine's shape; raises `ConfigError` naming the field, the value, what is allowed."""
        time = self.step_time
        unit = self.is_unit_time

        def chosen(value: int | None, paper: int, vllm: int) -> int:
            return value if value is not None else paper if unit else vllm

        floor = forecast_floor_of(None, self.eviction == "swap")
        # vLLM wants a token of each request in a batch.
        seqs = chosen(self.max_num_seqs, UNLIMITED, min(256, self.max_num_batched_tokens or 256))
        return SimulatorConfig(
            num_blocks=self.kv_tokens // self.block_size,
            block_size=self.block_size,
            max_num_seqs=seqs,
            max_num_batched_tokens=chosen(
                self.max_num_batched_tokens, UNLIMITED, max(2048, self.max_num_seqs or 0)
            ),
            enable_prefix_caching=self.enable_prefix_caching,
            watermark=self.watermark,
            forecast_floor=chosen(self.forecast_floor, 1, min(self.block_size, floor)),
            eviction=self.eviction or ("restart" if unit and self._may_restart else "recompute"),
            step_time=time if isinstance(time, StepTime) else StepTime.parse(time),
            is_unit_time=unit,
            scheduling_policy=self.scheduling_policy,
            reading_pace=self.reading_pace,
        )

    def check_policy(self) -> None:
        """Raise a `ConfigError` or `ConformanceError` if the policy is none; compiles nothing."""
        find_policy(self.policy)

    def engine(self) -> SimulatedEngine:
        """The engine, compiled."""
        return SimulatedEngine(
            self.config,
            self.policy,
            predictor=self.predictor,
            tail_promise=None if self.is_stock else self.tail_promise,
            stream_promise=None if self.is_stock else self.stream_promise,
            ttft_target=self.ttft_target,
            fair_share=self.fair_share,
            seed=self.seed,
        )
