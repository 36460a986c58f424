"""What an operator can set, and where it comes from.

On a plain vLLM server: ``--additional-config '{"amin": {"policy": "amin-dynamic"}}'``. Where a
version lacks that option, or where it must not enter vLLM's compile-cache key: the same object as
JSON in the environment variable AMIN_CONFIG. Two that differ are refused: neither wins.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from amin.engine.settings import (
    DEFAULT_POLICY,
    READING_PACE,
    TAIL_PROMISE,
    check_fair_share,
    check_forecast_floor,
    check_stream_promise,
    check_tail_promise,
    check_ttft_target,
)
from amin.engine.vllm.mode import check_mode
from amin.errors import ConfigError
from amin.policy.catalog import SERVABLE, get_policy
from amin.predictor.catalog import check_predictor_spec

ENVIRONMENT_VARIABLE = "AMIN_CONFIG"


@dataclass(frozen=True)
class AminConfig:
    """Settings of `AminScheduler`.

    policy             a name from ``amin policies`` or module:ATTRIBUTE
    predictor          as `amin.predictor.catalog.ALLOWED` says
    client_hints       believe amin_lower, amin_upper, amin_class, amin_client and
                       amin_reading_pace in a request's vllm_xargs
    forecast_floor     forecast at least so many more tokens of every request. The paper's step is
                       one token (1); with about a block of a paged cache, a seventh of the work is
                       recomputed (docs/design.md has the sweep). None: 15, or 1 where vLLM copies
                       the KV of preempted requests out (an offloading connector)
    tail_promise       nobody takes longer than so many times what the worst-off request
                       present would have taken under FCFS (`amin.engine.promise`); None is off
    stream_promise     tokens that the reader of a streamed reply takes in a second: once a reply
                       has begun, it does not wait (`amin.engine.stream_promise`); None is off
    ttft_target        seconds: who waits and can still have its first token by then goes before
                       all others, the cheapest first (`amin.engine.precedence`); None is off
    fair_share         client: each client, by name or key, has an equal share of the server, and
                       who floods it waits behind himself (`amin.engine.fair_share`); None is off
    lengths_file       where what is learned of lengths is kept across restarts; empty: nowhere
    log_file           where each request is written down as it ends (`amin.workload.log`), for
                       training and for replays; empty: nowhere. Of both files each engine of a
                       server has its own (`of_rank`)
    log_prompts        write the prompts' texts, too
    decision_budget_ms  milliseconds that deciding a step may take; where it takes longer in a
                       hundred steps running, amin switches itself off (`amin.engine.boundary`)
    seed               breaks ties in the preemption order
    mode               on, shadow or off, until a running server is told otherwise
                       (`amin.engine.vllm.mode`)
    """

    policy: str = DEFAULT_POLICY
    predictor: str = "online"
    client_hints: bool = False
    forecast_floor: int | None = None
    tail_promise: float | None = TAIL_PROMISE
    stream_promise: float | None = READING_PACE
    ttft_target: float | None = None
    fair_share: str | None = None
    lengths_file: str = ""
    log_file: str = ""
    log_prompts: bool = False
    decision_budget_ms: float = 50.0
    seed: int = 0
    mode: str = "on"

    def __post_init__(self) -> None:
        if not get_policy(self.policy).is_servable:
            raise ConfigError(
                f"policy: {self.policy!r} is for simulators: it is told the true lengths, or cuts "
                f"requests into slices; allowed: {', '.join(SERVABLE)}"
            )
        check_predictor_spec(self.predictor)
        for name in ("client_hints", "log_prompts"):
            if not isinstance(getattr(self, name), bool):
                value = getattr(self, name)
                raise ConfigError(f"{name}: got {value!r}, allowed: true or false")
        check_forecast_floor(self.forecast_floor)
        check_tail_promise(self.tail_promise)
        check_stream_promise(self.stream_promise)
        check_ttft_target(self.ttft_target)
        check_fair_share(self.fair_share)
        check_mode(self.mode)
        budget = self.decision_budget_ms
        if isinstance(budget, bool) or not isinstance(budget, int | float) or not budget > 0:
            raise ConfigError(f"decision_budget_ms: got {budget!r}, allowed: a number > 0")
        for name in ("lengths_file", "log_file"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"{name}: got {getattr(self, name)!r}, allowed: a path")
            folder = Path(getattr(self, name)).parent
            if not folder.is_dir():
                raise ConfigError(f"{name}: got {getattr(self, name)!r}, but {folder} is no folder")
        if self.log_prompts and not self.log_file:
            raise ConfigError("log_prompts: got true without a log_file, allowed: with one")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ConfigError(f"seed: got {self.seed!r}, allowed: an integer")

    def of_rank(self, rank: int) -> AminConfig:
        """The settings of one of the engines of a server (data parallelism): files of its own.

        The first one, rank 0, has the files that are named; of the others the name tells the rank.
        """
        if rank == 0:
            return self
        return replace(
            self,
            lengths_file=_of_rank(self.lengths_file, rank),
            log_file=_of_rank(self.log_file, rank),
        )

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> AminConfig:
        """Check and convert; raises `ConfigError` naming the field, the value, what is allowed."""
        if not isinstance(settings, Mapping):
            raise ConfigError(f"amin: got {settings!r}, allowed: an object of settings")
        known = [field.name for field in fields(cls)]
        for name in settings:
            if name not in known:
                raise ConfigError(f"amin: unknown setting {name!r}; allowed: {', '.join(known)}")
        return cls(**settings)

    @classmethod
    def from_vllm(cls, additional_config: object) -> AminConfig:
        """The settings for a scheduler inside vLLM: from its additional_config or AMIN_CONFIG."""
        from_variable = cls._from_environment()
        if not isinstance(additional_config, Mapping) or "amin" not in additional_config:
            return from_variable or cls()
        config = cls.from_mapping(additional_config["amin"])
        if from_variable not in (None, config):
            raise ConfigError(
                f"amin: settings in additional_config differ from those in {ENVIRONMENT_VARIABLE} "
                "(amin serve sets it); allowed: one of the two"
            )
        return config

    @classmethod
    def _from_environment(cls) -> AminConfig | None:
        text = os.environ.get(ENVIRONMENT_VARIABLE)
        if not text:
            return None
        try:
            return cls.from_mapping(json.loads(text))
        except json.JSONDecodeError as error:
            raise ConfigError(f"{ENVIRONMENT_VARIABLE}: not JSON ({error})") from error


def _of_rank(path: str, rank: int) -> str:
    own = Path(path)
    return str(own.with_name(f"{own.stem}-rank{rank}{own.suffix}")) if path else ""
