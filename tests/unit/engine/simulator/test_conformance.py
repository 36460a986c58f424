"""The simulator passes the published checks of an engine, in both of its models."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amin.engine.conformance import CHECKS, MakeEngine
from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.stock import STOCK
from amin.policy.catalog import POLICIES

CONFIGS = {
    "unit-time": SimulatorConfig.unit_time(300),
    "unit-time-recompute": SimulatorConfig.unit_time(300, "recompute"),
    "vllm": SimulatorConfig(num_blocks=64, block_size=4),
    "chunks": SimulatorConfig(64, 4, max_num_batched_tokens=64, max_num_seqs=16),
    "restart": SimulatorConfig(64, 4, eviction="restart"),
    "swap": SimulatorConfig(64, 4, eviction="swap", seconds_per_swapped_token=0.01),
}

EVERYWHERE = "vllm-fcfs", "amin-dynamic", "expected-volume"
"""What a batch's size or an eviction does is not the policy's: others are tried in two models."""

PAIRS = [
    pytest.param(config, policy, id=f"{name}-{policy}")
    for name, config in CONFIGS.items()
    for policy in [*POLICIES, *STOCK]
    if policy in EVERYWHERE or name in ("unit-time", "vllm")
    if config.eviction != "restart" or policy in STOCK or not POLICIES[policy].needs_kept_tokens
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize(("config", "policy"), PAIRS)
def test_the_simulator_conforms(
    config: SimulatorConfig, policy: str, check: Callable[[MakeEngine, str], None]
) -> None:
    """Each check of the published list, for every policy, and for every kind of eviction."""
    check(lambda name: SimulatedEngine(config, name), policy)
