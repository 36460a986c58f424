"""Load is a multiple of what the engine can do, and the engine cannot do more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.errors import ConfigError
from amin.experiment.load import at_load, capacity, rho
from amin.workload.generate import generate
from amin.workload.trace import Trace

UNIT = SimulatorConfig.unit_time(4000)
VLLM = SimulatorConfig(num_blocks=256, block_size=16)


def test_capacity_by_hand() -> None:
    """Requests of 5 + 6 + 7 = 18 token-steps in a memory of 180: ten a step... of 1."""
    trace = Trace.of_lengths(np.full(9, 4), np.full(9, 3), np.arange(9).astype(np.float64))
    assert capacity(trace, SimulatorConfig.unit_time(180)) == pytest.approx(10)
    assert rho(trace, SimulatorConfig.unit_time(180)) == pytest.approx(0.1)


@pytest.mark.parametrize("config", [UNIT, VLLM], ids=["unit", "vllm"])
@pytest.mark.parametrize("load", [0.3, 2.5])
def test_at_load_has_that_load(config: SimulatorConfig, load: float) -> None:
    """Whether the trace had times before or not; the requests are the same."""
    timeless = generate("lmsys-like", 4000, seed=1)
    first = at_load(timeless, load, config, seed=1)
    assert rho(first, config) == pytest.approx(load, rel=0.05)
    again = at_load(first, 1.25, config, seed=2)
    assert rho(again, config) == pytest.approx(1.25)
    assert np.array_equal(again.num_output_tokens, timeless.num_output_tokens)
    assert np.array_equal(np.diff(again.arrival_time) == 0, np.diff(first.arrival_time) == 0)


@pytest.mark.parametrize("config", [UNIT, VLLM], ids=["unit", "vllm"])
def test_a_saturated_engine_serves_about_its_capacity(config: SimulatorConfig) -> None:
    """Never more than that, and a clairvoyant order under three times the load not much less."""
    trace = at_load(generate("lmsys-like", 6000, seed=1), 3.0, config, seed=1)
    run = SimulatedEngine(config, "smallest-volume").run(trace)
    served = len(trace) / max(record.finish_time for record in run.records)
    assert 0.75 < served / capacity(trace, config) <= 1.0


def test_all_at_once_is_no_finite_load() -> None:
    """And one request alone none at all."""
    trace = generate("lmsys-like", 10, seed=0)
    assert math.isinf(rho(trace, UNIT))
    assert rho(trace[:1], UNIT) == 0.0


@pytest.mark.parametrize("load", [0.0, -1.0, math.inf, math.nan])
def test_refuses_other_loads(load: float) -> None:
    """Field, value, what is allowed."""
    with pytest.raises(ConfigError, match=r"load: got .*, allowed: > 0"):
        at_load(generate("lmsys-like", 10, seed=0), load, UNIT, seed=0)
