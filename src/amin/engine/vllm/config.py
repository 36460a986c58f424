"""What an operator can set, and where it comes from.

On a plain vLLM server: ``--additional-config '{"amin": {"policy": "amin-dynamic"}}'``. Where a
version lacks that option, or where it must not enter vLLM's compile-cache key: the same object as
JSON in the environment variable AMIN_CONFIG. The option wins.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from amin.errors import ConfigError
from amin.policy.catalog import get_policy
from amin.predictor.catalog import get_predictor

ENVIRONMENT_VARIABLE = "AMIN_CONFIG"

STOCK = ("vllm-fcfs", "vllm-priority")
"""vLLM's own schedulers, by the names that amin's comparisons give them."""


@dataclass(frozen=True)
class AminConfig:
    """Settings of `AminScheduler`.

    policy             a name from ``amin policies`` or module:ATTRIBUTE
    predictor          constant:N, class:PATH or module:factory
    client_hints       believe amin_lower, amin_upper, amin_class in a request's vllm_xargs
    predictor_timeout  seconds to wait for a predictor that is not instant
    forecast_floor     forecast at least so many more tokens of every request. The paper's step is
                       one token (1); with 16, the block of a paged cache, a tenth of the work is
                       recomputed (docs/design.md has the sweep)
    seed               breaks ties in the preemption order
    """

    policy: str = "amin-static"
    predictor: str = "constant:1"
    client_hints: bool = False
    predictor_timeout: float = 0.05
    forecast_floor: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        get_policy(self.policy)
        get_predictor(self.predictor)
        if not isinstance(self.client_hints, bool):
            raise ConfigError(f"client_hints: got {self.client_hints!r}, allowed: true or false")
        timeout = self.predictor_timeout
        if isinstance(timeout, bool) or not isinstance(timeout, int | float):
            raise ConfigError(f"predictor_timeout: got {timeout!r}, allowed: seconds > 0")
        if not (math.isfinite(timeout) and timeout > 0):
            raise ConfigError(f"predictor_timeout: got {timeout!r}, allowed: seconds > 0")
        floor = self.forecast_floor
        if isinstance(floor, bool) or not isinstance(floor, int) or floor < 1:
            raise ConfigError(f"forecast_floor: got {floor!r}, allowed: an integer >= 1")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ConfigError(f"seed: got {self.seed!r}, allowed: an integer")

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
        """The settings for a scheduler inside vLLM: its additional_config, else AMIN_CONFIG."""
        if isinstance(additional_config, Mapping) and "amin" in additional_config:
            return cls.from_mapping(additional_config["amin"])
        text = os.environ.get(ENVIRONMENT_VARIABLE)
        if not text:
            return cls()
        try:
            return cls.from_mapping(json.loads(text))
        except json.JSONDecodeError as error:
            raise ConfigError(f"{ENVIRONMENT_VARIABLE}: not JSON ({error})") from error
