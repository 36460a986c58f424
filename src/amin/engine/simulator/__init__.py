"""An engine without a GPU, vLLM or a model: the same decisions, a thousand times as fast.

`config` (its shape), `engine` (a workload in, records out), and what is compiled: `state` (what
changes), `kernel` (the loop), `running` and `admission` (the two halves of a step), `heap`.
"""

from amin.engine.simulator.config import SimulatorConfig
from amin.engine.simulator.engine import SimulatedEngine, Simulation

__all__ = ["SimulatedEngine", "Simulation", "SimulatorConfig"]
