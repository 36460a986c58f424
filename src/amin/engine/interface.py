"""The engine contract, on one page.

An engine owns the KV memory and the clock. It takes a workload, asks a policy and a predictor
what to do, and writes down what happened to each request. Every engine promises, whatever the
policy, the prediction and the workload:

- every request that can ever fit finishes, exactly once, with exactly the tokens that it asked
  for: its true length, or max_tokens where that is less;
- a request whose prompt and output exceed the cache is rejected at the door and recorded as such;
- memory in use never exceeds the cache, counted from true usage and not from a forecast;
- where the whole workload fits at once, nothing is ever preempted, but by policies that slice time;
- where no bound is below the truth and the policy reserves up to it (A_max), neither;
- a bound never falls but to a prediction that comes after the arrival, and no bound, however wrong,
  can stall the engine;
- times are in order: arrival <= first scheduled < first token <= finish;
- tokens are computed again only after a preemption dropped them, and no more than were dropped;
- the same workload, policy and seed give the same run, down to every time (engines with a
  simulated clock).

To check an engine of your own: `amin.engine.conformance.check_engine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from amin.record import RunResult
from amin.workload.interface import Job


class Engine(Protocol):
    """Serves workloads under one policy; see the module's text for what it promises."""

    @property
    def name(self) -> str:
        """The policy that it runs, as ``RunResult.policy`` and reports call it."""

    def run(self, jobs: Sequence[Job]) -> RunResult:
        """Serve all jobs to their end: one record per job.

        Raises `ConfigError` where `jobs` is no workload (`check_workload`) and `AminError` if the
        engine stalls.
        """
