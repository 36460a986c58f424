"""How hard a workload presses on an engine, as a multiple of what the engine can do.

The volume of a request is the memory x time that it needs: the sum over its steps of its tokens of
KV, s·o + o(o+1)/2. An engine of M tokens whose steps take t serves M ÷ (t x mean volume) requests a
second at most, and rho is the arrival rate as a multiple of that (arXiv 2605.04595). t is the time
of a step that fills the memory, so that rho is the same for every policy.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from amin.arrays import Floats
from amin.engine.simulator import SimulatorConfig
from amin.errors import ConfigError
from amin.workload.trace import Trace


def capacity(trace: Trace, config: SimulatorConfig) -> float:
    """Requests a second that the engine can serve, of those that it can serve at all."""
    prompt, output = _lengths(trace, config)
    if not len(output):
        return math.inf
    volume = float(np.mean(prompt * output + output * (output + 1) / 2))
    memory = config.num_blocks * config.block_size
    # Tokens that a request holds, averaged over its steps; and those that it computes in one.
    held, computed = volume / output.mean(), 1 + prompt.mean() / output.mean()
    batch = min(memory / held, config.max_num_seqs)
    tokens = min(batch * computed, config.max_num_batched_tokens)
    seconds = config.step_time(max(round(tokens), 1), round(batch * held))
    return float(batch / (seconds * output.mean()))


def rho(trace: Trace, config: SimulatorConfig) -> float:
    """Arrival rate ÷ `capacity`; infinite where all requests arrive together."""
    arrivals = trace.arrival_time[_fits(trace, config)]
    if len(arrivals) < 2:
        return 0.0
    span = float(arrivals[-1] - arrivals[0])
    return (len(arrivals) - 1) / span / capacity(trace, config) if span else math.inf


def at_load(trace: Trace, load: float, config: SimulatorConfig, seed: int) -> Trace:
    """The same requests at `load` x capacity: their times stretched, or Poisson if they have none.

    Raises `ConfigError` unless load > 0.
    """
    if not 0 < load < math.inf:
        raise ConfigError(f"load: got {load}, allowed: > 0")
    if not len(trace):
        return trace
    now = rho(trace, config)
    if math.isfinite(now) and now > 0:
        start = trace.arrival_time[0]
        return replace(trace, arrival_time=(trace.arrival_time - start) * (now / load))
    gaps = np.random.default_rng(seed).exponential(1.0, len(trace))
    rate = load * capacity(trace, config)
    return replace(trace, arrival_time=np.cumsum(gaps) / rate)


def _fits(trace: Trace, config: SimulatorConfig) -> npt.NDArray[np.bool_]:
    output = np.minimum(trace.num_output_tokens, trace.max_tokens)
    fits: npt.NDArray[np.bool_] = trace.num_prompt_tokens + output <= config.capacity_tokens
    return fits


def _lengths(trace: Trace, config: SimulatorConfig) -> tuple[Floats, Floats]:
    fits = _fits(trace, config)
    output = np.minimum(trace.num_output_tokens, trace.max_tokens)
    return trace.num_prompt_tokens[fits].astype(float), output[fits].astype(float)
