"""From a log that says what its server was to the setting that simulates it, and how well it does.

So `amin advise --trace log.jsonl` needs to be told nothing, and says itself how far its seconds can
be believed: the very traffic of the log is simulated as it was served, and compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from amin.engine.step_time import StepTime
from amin.errors import ConfigError
from amin.experiment.comparison import named
from amin.experiment.run import simulate
from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic
from amin.workload.served import Served


def as_told(traffic: Traffic, kv_tokens: int | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a `Setting`: what is `given`, else what the traffic's log says.

    Raises `ConfigError` where nobody says how large the memory is.
    """
    said = _of_log(traffic.served) if traffic.served else {}
    if kv_tokens is not None:
        said["kv_tokens"] = kv_tokens
    if "kv_tokens" not in said:
        raise ConfigError(
            "--kv-tokens: missing, allowed: the tokens that the KV cache holds, which vLLM prints "
            "at its start (GPU KV cache size: 65,536 tokens); a log of amin serve --log has it"
        )
    return said | dict(given)


def _of_log(served: Served) -> dict[str, Any]:
    server, fit = served.server, served.steps.fit()
    said: dict[str, Any] = {
        "kv_tokens": server.kv_tokens,
        "block_size": server.block_size,
        "max_num_seqs": server.max_num_seqs,
        "max_num_batched_tokens": server.max_num_batched_tokens,
        "enable_prefix_caching": server.enable_prefix_caching,
        "scheduling_policy": server.scheduling_policy,
        "eviction": server.eviction,
        "forecast_floor": server.forecast_floor,
    }
    if fit is not None:
        said["step_time"] = StepTime(
            points=fit.points, seconds_per_kv_token=fit.seconds_per_kv_token
        )
    return said


@dataclass(frozen=True)
class Fidelity:
    """The log's own traffic under the log's own policy: simulated latencies ÷ measured ones."""

    mean: float
    p99: float
    num_requests: int

    def __str__(self) -> str:
        """A sentence."""
        return (
            f"The log's own {self.num_requests:,} requests, simulated as they were served: mean "
            f"latency {self.mean:.2f} x, p99 {self.p99:.2f} x what was measured."
        )


def fidelity(traffic: Traffic, setting: Setting) -> Fidelity | None:
    """How true a simulation of this log is; None where the log does not say how long anything took.

    Only the requests that ended are compared; all arrive as they did.
    """
    served, is_as_it_was = traffic.served, traffic.load is None and traffic.closed_loop is None
    if served is None or not is_as_it_was:
        return None
    trace = traffic.trace(1, setting.config)
    run = simulate(trace, named(served.server.policy, setting))
    done = run.simulation.columns()
    simulated = done.finish_time - done.arrival_time
    both = np.isfinite(simulated) & np.isfinite(served.e2e_latency)
    if not both.any():
        return None
    mine, real = simulated[both], served.e2e_latency[both]
    p99 = float(np.quantile(mine, 0.99) / np.quantile(real, 0.99))
    return Fidelity(float(mine.mean() / real.mean()), p99, int(both.sum()))
