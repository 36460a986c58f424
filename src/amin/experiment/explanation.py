"""Why one request of a simulation waited as long as it did, next to stock FCFS on the same ones.

What FCFS would have done is not estimated here but simulated: by the simulator that decides as vLLM
does, over the same arrivals.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from amin.engine.simulator import SimulatedEngine
from amin.engine.simulator.simulation import Simulation
from amin.errors import ConfigError
from amin.metrics.columns import Columns
from amin.metrics.summary import for_json
from amin.workload.trace import Trace


@dataclass(frozen=True)
class Life:
    """What became of the request under one policy, in seconds after it came; NaN for never.

    `longest_pause` is the longest time for which the reader of its reply found nothing to read.
    """

    first_scheduled: float
    first_token: float
    finished: float
    num_preemptions: int
    longest_pause: float

    @classmethod
    def of(cls, done: Columns, row: int) -> Life:
        """That of a row of the trace."""
        came = done.arrival_time[row]
        return cls(
            float(done.first_scheduled_time[row] - came),
            float(done.first_token_time[row] - came),
            float(done.finish_time[row] - came),
            int(done.num_preemptions[row]),
            float(done.longest_pause[row]),
        )


@dataclass(frozen=True)
class Explanation:
    """`ours` and `fcfs` are what became of it; times in seconds, lengths in tokens.

    num_passed_by   requests that came later and were scheduled before it
    num_passed      requests that came earlier and were scheduled after it
    by_promise      whether it was first scheduled ahead of the policy's order, because the tail
                    promise said that it had waited long enough
    worst_of_fcfs   what the worst-off of those who were present with it took under FCFS: it is to
                    take so long at most, times the promise
    """

    request_id: str
    arrival_time: float
    num_prompt_tokens: int
    num_output_tokens: int
    ours: Life
    fcfs: Life
    num_passed_by: int
    num_passed: int
    by_promise: bool
    worst_of_fcfs: float

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON: what never happened is None."""
        return for_json(asdict(self))


def explain(simulation: Simulation, request_id: str) -> Explanation:
    """Of a request of a simulation that has ended; raises `ConfigError` where it has none such."""
    trace = simulation.trace
    row = _row_of(trace, request_id)
    done = simulation.columns()
    stock = SimulatedEngine(simulation.config, "vllm-fcfs").simulate(trace).columns()
    came, went = done.arrival_time, done.first_scheduled_time
    later, earlier = came > came[row], came < came[row]
    is_present = (stock.arrival_time <= done.finish_time[row]) & (stock.finish_time > came[row])
    took = (stock.finish_time - stock.arrival_time)[is_present]
    return Explanation(
        request_id=trace.id_of(row),
        arrival_time=float(came[row]),
        num_prompt_tokens=int(trace.num_prompt_tokens[row]),
        num_output_tokens=int(done.num_output_tokens[row]),
        ours=Life.of(done, row),
        fcfs=Life.of(stock, row),
        num_passed_by=int(np.sum(later & (went < went[row]))),
        num_passed=int(np.sum(earlier & (went > went[row]))),
        by_promise=bool(simulation.went_by_promise[row]),
        worst_of_fcfs=float(took.max()) if took.size else math.nan,
    )


def _row_of(trace: Trace, request_id: str) -> int:
    for row in range(len(trace)):
        if trace.id_of(row) == request_id:
            return row
    first, last = trace.id_of(0), trace.id_of(len(trace) - 1)
    raise ConfigError(f"--explain: got {request_id!r}, allowed: an id of these, {first} to {last}")
