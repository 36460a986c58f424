"""An engine without a GPU, vLLM or a model: the same decisions, a thousand times as fast.

`config` (its shape), `engine` (a workload in), `simulation` (a run: columns and records out), and
what is compiled: `state` (what changes), `kernel` (the loop), `running` and `admission` (the two
halves of a step), `prefix_cache` with its `pages`.
"""

from amin.engine.simulator.config import SimulatorConfig
from amin.engine.simulator.engine import SimulatedEngine
from amin.engine.simulator.simulation import Simulation

__all__ = ["SimulatedEngine", "Simulation", "SimulatorConfig"]
