"""One simulation and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from amin.engine.simulator import Simulation
from amin.engine.simulator.simulation import Progress
from amin.experiment.frame import frame
from amin.experiment.load import rho
from amin.experiment.setting import Setting
from amin.metrics.summary import Summary, for_json, summary_of
from amin.record import RunResult
from amin.workload.interface import Job, check_workload
from amin.workload.trace import Trace


@dataclass(frozen=True)
class Run:
    """What came of a simulation."""

    setting: Setting
    simulation: Simulation

    @cached_property
    def result(self) -> RunResult:
        """Its records, those that ran before those that were rejected."""
        return self.simulation.result()

    @cached_property
    def summary(self) -> Summary:
        """The numbers that every engine's runs have."""
        return summary_of(self.simulation.columns())

    @property
    def rho(self) -> float:
        """The load, 1 being the capacity; infinite where all requests arrive together.

        See `amin.experiment.load`.
        """
        return rho(self.simulation.trace, self.setting.config)

    def to_pandas(self) -> Any:
        """A frame with a row for each request, the fields of `RequestRecord` in its columns."""
        return frame([asdict(record) for record in self.result.records])

    def as_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON: what is not finite becomes None."""
        numbers = {
            "policy": self.simulation.policy,
            "engine": "unit-time" if self.setting.is_unit_time else "vllm-model",
            "kv_tokens": self.setting.kv_tokens,
            "seed": self.setting.seed,
            **asdict(self.summary),
            "peak_kv_tokens": self.simulation.peak_kv_tokens,
            "num_steps": self.simulation.num_steps,
            "lengths_foretold_by": self.simulation.foretold_by,
            "rho": self.rho,
        }
        return for_json(numbers)


def simulate(jobs: Sequence[Job], setting: Setting, progress: Progress | None = None) -> Run:
    """Run a workload, which may be a `Trace`, under one setting."""
    if not isinstance(jobs, Trace):
        check_workload(jobs)
    return Run(setting, setting.engine().simulate(Trace.of(jobs), progress))
