"""The server that wrote a log: what `amin serve --log` says of it at its start, and its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from amin.arrays import Floats
from amin.errors import ConfigError
from amin.workload.served_steps import ServedSteps


@dataclass(frozen=True)
class Server:
    """The shape of a server, as a log's line ``{"server": {...}}`` has it.

    kv_tokens   tokens that requests can hold, in blocks of `block_size`
    policy      with its promises, as ``expected-volume+1~10``
    eviction    recompute, or swap with an offloading connector
    """

    kv_tokens: int
    block_size: int
    max_num_seqs: int
    max_num_batched_tokens: int
    enable_prefix_caching: bool
    async_scheduling: bool
    scheduling_policy: str
    eviction: str
    forecast_floor: int
    policy: str
    vllm: str
    amin: str

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Server:
        """From JSON; what a later version adds is left alone. Raises `ConfigError`."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            value: Any = entry.get(field.name)
            kind: Any = {"int": int, "bool": bool, "str": str}[str(field.type)]
            if type(value) is not kind or (kind is int and not value >= 1):
                raise ConfigError(f"server: {field.name}: got {value!r:.60}, allowed: {field.type}")
            values[field.name] = value
        return cls(**values)


@dataclass(frozen=True)
class Served:
    """A server, the steps that it took, and the seconds that each request took.

    `e2e_latency` has a value for each request of the trace, NaN where the log does not say it.
    """

    server: Server
    steps: ServedSteps
    e2e_latency: Floats
