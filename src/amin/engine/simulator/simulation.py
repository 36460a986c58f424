"""One run: it can be advanced, and says in columns or in records what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from amin.arrays import Ints
from amin.engine.reading import (
    GAP_BEGAN,
    LONGEST_GAP,
    LONGEST_PAUSE,
    NUM_SEEN,
    TOTAL_PAUSE,
)
from amin.engine.rows import LOWER, NUM_PREEMPTIONS, UPPER
from amin.engine.simulator.asking import Asking
from amin.engine.simulator.config import SimulatorConfig
from amin.engine.simulator.kernel import ASKS, ENDED, LIVELOCK, run_steps
from amin.engine.simulator.state import (
    ARRIVAL,
    BY_PROMISE,
    FINISH,
    FIRST_SCHEDULED,
    FIRST_TOKEN,
    LENGTH,
    LOST,
    NUM_ENDED,
    NUM_SAMPLES,
    NUM_STEPS,
    PEAK_KV_TOKENS,
    RECOMPUTED,
    Limits,
    State,
)
from amin.errors import PolicyError
from amin.metrics.columns import Array, Columns
from amin.policy.compiled import Rules
from amin.predictor.lengths import best_feature
from amin.predictor.survival import ALL
from amin.record import RequestRecord, RunResult, StepSample
from amin.workload.trace import Trace

STEPS_PER_SLICE = 100_000
"""Steps between two looks at what the user wants: some tenths of a second."""

Progress = Callable[[int], None]
"""Called now and then with the number of requests that have ended."""


@dataclass(frozen=True)
class Simulation:
    """A run in columns: `accepted` are the rows of `trace` that `state` has, in its order.

    `policy` names the one that decides, by its compiled `rules`; `seed` breaks ties. `asking` has
    the predictor's answers while it goes on, where it learns from the run itself.
    """

    policy: str
    rules: Rules
    config: SimulatorConfig
    seed: int
    trace: Trace
    accepted: Ints
    limits: Limits
    state: State
    asking: Asking | None = None

    def advance(self, num_steps: int) -> bool:
        """Go on for `num_steps` steps at most; returns whether all is done by then.

        Raises `PolicyError` where that never comes.
        """
        rules, cost = self.rules, self.config.cost
        status = run_steps(self.state, self.limits, rules, cost, num_steps)
        while status == ASKS and self.asking is not None:
            self.asking.answer(self.state)
            status = run_steps(self.state, self.limits, rules, cost, num_steps)
        if status == LIVELOCK:
            raise PolicyError(
                f"policy {self.policy!r} with eviction {self.config.eviction!r}: "
                f"livelock, no request ended in {self.limits.max_steps_without_end:,} steps; "
                "allowed: a preemption_order that spares those who are nearest to their end"
            )
        return bool(status == ENDED)

    def finish(self, progress: Progress | None = None) -> None:
        """Go on to the end, which may be at once; raises `PolicyError` where that never comes."""
        is_done = not len(self.accepted)
        while not is_done:
            is_done = self.advance(STEPS_PER_SLICE)
            if progress is not None:
                progress(self.num_ended)

    @property
    def num_ended(self) -> int:
        """Requests that have ended so far."""
        return int(self.state.counts[NUM_ENDED])

    @property
    def peak_kv_tokens(self) -> int:
        """The most tokens of KV in memory at the end of a step."""
        return int(self.state.counts[PEAK_KV_TOKENS])

    @property
    def num_steps(self) -> int:
        """Steps that were scheduled, empty ones among them."""
        return int(self.state.counts[NUM_STEPS])

    @property
    def foretold_by(self) -> str | None:
        """The feature of a request that foretold lengths best; None where nothing was learned."""
        has_values = [bool((column > ALL).any()) for column in self.state.groups.T]
        return best_feature(self.state.gains, has_values)

    @property
    def went_by_promise(self) -> Array:
        """Of each request of the trace whether a promise, and not the policy's order, made it go
        when it was first scheduled."""
        return self._whole(self.state.facts[:, BY_PROMISE]) > 0

    def columns(self) -> Columns:
        """What happened to each request of the trace, for the metrics."""
        s, table = self.state, self.state.table
        status = np.full(len(self.trace), "rejected", np.object_)
        status[self.accepted] = "finished"
        return Columns(
            arrival_time=self._arrival_time(),
            first_scheduled_time=self._whole(s.times[:, FIRST_SCHEDULED], np.nan),
            first_token_time=self._whole(s.times[:, FIRST_TOKEN], np.nan),
            finish_time=self._whole(s.times[:, FINISH], np.nan),
            num_output_tokens=self._whole(s.facts[:, LENGTH]),
            num_preemptions=self._whole(table[:, NUM_PREEMPTIONS]),
            num_lost_tokens=self._whole(s.facts[:, LOST]),
            num_recomputed_tokens=self._whole(s.facts[:, RECOMPUTED]),
            lower=self._whole(table[:, LOWER]),
            upper=self._whole(table[:, UPPER]),
            status=status,
            longest_gap=self._of_readers(LONGEST_GAP),
            longest_pause=self._of_readers(LONGEST_PAUSE),
            total_pause=self._of_readers(TOTAL_PAUSE),
            longest_gap_start=self._of_readers(GAP_BEGAN),
        )

    def result(self) -> RunResult:
        """The run as every engine returns it, its records in the order of the trace."""
        config, samples = self.config, self.state.samples[: self.state.counts[NUM_SAMPLES]]
        done = self.columns()
        columns = {field.name: getattr(done, field.name) for field in fields(Columns)}
        columns["num_prompt_tokens"] = self.trace.num_prompt_tokens
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        return RunResult(
            policy=self.policy,
            engine="simulator",
            seed=self.seed,
            num_blocks=config.num_blocks,
            block_size=config.block_size,
            records=[
                RequestRecord(
                    request_id=self.trace.id_of(i), **dict(zip(columns, row, strict=True))
                )
                for i, row in enumerate(rows)
            ],
            samples=[
                StepSample(time, int(used), int(running), int(waiting))
                for time, used, running, waiting in samples.tolist()
            ],
            num_steps=self.num_steps,
        )

    def _arrival_time(self) -> Array:
        """When each arrived; whoever cannot run, when the trace says."""
        times = self.trace.arrival_time.copy()
        times[self.accepted] = self.state.times[:, ARRIVAL]
        return times

    def _of_readers(self, column: int) -> Array:
        """Of those to whom anything came, and whose reader reads along."""
        readers = self.state.readers
        seen = np.where(readers[:, NUM_SEEN] > 0, readers[:, column], np.nan)
        return self._whole(seen, np.nan)

    def _whole(self, values: Array, otherwise: float = 0) -> Array:
        """A column of those that ran, as one of the whole trace."""
        column = np.full(len(self.trace), otherwise, values.dtype)
        column[self.accepted] = values
        return column
