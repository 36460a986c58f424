"""The paper's model, step by step against an independent, slow and obvious implementation."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.errors import ConfigError
from amin.policy.catalog import POLICIES
from amin.policy.interface import Policy
from amin.request import LengthEstimate, Request, RequestView
from amin.workload.interface import Job


@dataclass
class _Row:
    """A request in the model by hand."""

    index: int
    s: int
    o: int
    lower: int
    upper: int
    arrival: float
    tie: float
    bound: int = 1
    a: int = 0
    num_preemptions: int = 0
    admission: int = -1
    finish: float = 0.0

    def view(self) -> RequestView:
        is_active = self.admission >= 0
        return RequestView(
            num_prompt_tokens=self.s,
            num_output_tokens=self.a,
            # The KV of the latest token is yet to be computed.
            num_computed_tokens=self.s + self.a - 1 if is_active and self.a else 0,
            max_tokens=10_000,
            lower=self.lower,
            upper=self.upper,
            bound=self.bound,
            priority=0,
            arrival_index=self.index,
            admission_index=self.admission,
            num_preemptions=self.num_preemptions,
            # No rule here reads what is learned.
            mean_remaining=0,
            mean_square_remaining=0,
            num_cached_tokens=0,
        )


def by_hand(policy: Policy, rows: list[_Row], memory: int, restart: bool) -> list[float]:
    """Section 2 of the model: arrivals, overflow, admission, a token for each; repeat."""
    t, admissions = 0, 0
    to_come, waiting, active = list(rows), list[_Row](), list[_Row]()

    def believe(row: _Row, bound: int) -> None:
        row.bound = max(min(bound, max(memory - row.s, 1)), row.bound)

    def fits(candidate: _Row) -> bool:
        def last(row: _Row) -> int:
            return policy.forecast(row.view())

        every = [*active, candidate]
        return all(
            sum(row.s + row.a + k for row in every if last(row) >= k) <= memory
            for k in range(1, max(map(last, every)) + 1)
        )

    while to_come or waiting or active:
        while to_come and to_come[0].arrival <= t:
            row = to_come.pop(0)
            believe(row, policy.initial_bound(row.view()))
            waiting.append(row)
        sliced = [r for r in active if policy.leaves_at_bound and r.a >= r.bound]
        while sliced or sum(row.s + row.a + 1 for row in active) > memory:
            victim = min(active, key=lambda row: (policy.preemption_order(row.view()), row.tie))
            victim = sliced.pop(0) if sliced else victim
            active.remove(victim)
            believe(victim, policy.learn(victim.view()))
            victim.num_preemptions += 1
            victim.admission = -1
            if restart:
                victim.a = 0
            waiting.append(victim)
        waiting.sort(key=lambda row: (policy.order(row.view()), row.index))
        while waiting and fits(waiting[0]):
            row = waiting.pop(0)
            row.admission = admissions
            admissions += 1
            active.append(row)
        t += 1
        for row in list(active):
            row.a += 1
            if row.a == row.o:
                row.finish = t
                active.remove(row)
    return [row.finish for row in rows]


instances = st.lists(
    st.tuples(
        st.integers(1, 12), st.integers(1, 20), st.integers(1, 20), st.integers(1, 20),
        st.integers(0, 40),
    ),
    min_size=1, max_size=14,
)  # fmt: skip


LEARNING = ("expected-volume", "past-future")
"""Go by lengths that are learned, which the model by hand knows nothing of. They are held to vLLM's
scheduler instead, in tests/dry/test_simulated_promise.py."""

BY_BOUNDS = {name: policy for name, policy in POLICIES.items() if name not in LEARNING}


def test_what_may_go_on_for_ever_is_refused() -> None:
    """Where a preempted request loses what it has made."""
    with pytest.raises(ConfigError, match="eviction: got 'restart' with policy"):
        SimulatedEngine(SimulatorConfig.unit_time(40, "restart"), "expected-volume")


@pytest.mark.parametrize("eviction", ["restart", "recompute"])
@pytest.mark.parametrize("policy", BY_BOUNDS.values(), ids=BY_BOUNDS)
def test_finishes_when_the_model_by_hand_does(policy: Policy, eviction: str) -> None:
    """Every request of random instances finishes in the very same step."""
    memory = 40
    engine = SimulatedEngine(SimulatorConfig.unit_time(memory, eviction), policy, seed=5)

    @settings(max_examples=150, deadline=None)
    @given(instances)
    def check(drawn: list[tuple[int, int, int, int, int]]) -> None:
        drawn = sorted(drawn, key=lambda row: row[-1])
        rng = random.Random(5)
        rows = []
        for i, (s, o, *ends, at) in enumerate(drawn):
            lower, upper = (o, o) if policy.is_clairvoyant else sorted(ends)
            rows.append(_Row(i, s, o, lower, upper, at, rng.random()))
        jobs = [
            Job(
                Request(
                    str(r.index), r.s, 10_000, r.arrival, hint=LengthEstimate(r.lower, r.upper)
                ),
                r.o,
            )
            for r in rows
        ]
        result = engine.run(jobs)
        expected = by_hand(policy, rows, memory, eviction == "restart")
        assert [record.finish_time for record in result.records] == expected

    check()
