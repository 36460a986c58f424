"""What must hold in every run of every policy in the paper's model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amin.engine.simulator import SimulatedEngine, Simulation, SimulatorConfig
from amin.policy.catalog import POLICIES
from amin.record import RequestRecord
from amin.request import LengthEstimate, Request, RequestView
from amin.workload.interface import Job
from amin.workload.trace import Trace

MEMORY = 50
EVICTIONS = {
    name: "recompute" if policy.needs_kept_tokens else "restart"
    for name, policy in POLICIES.items()
}

rows = st.lists(
    st.tuples(
        st.integers(1, 15),  # prompt
        st.integers(1, 30),  # output
        st.integers(1, 30),  # lower
        st.integers(0, 30),  # upper - lower
        st.integers(0, 60),  # arrival
    ),
    max_size=30,
)
Rows = list[tuple[int, int, int, int, int]]


def _jobs(rows: Rows, change: Callable[[int, int, int], tuple[int, int]] | None = None) -> Trace:
    """A workload; `change` makes (lower, upper) of (output, lower, upper)."""
    jobs = []
    for i, (s, o, lower, more, at) in enumerate(sorted(rows, key=lambda row: row[-1])):
        ends = change(o, lower, lower + more) if change else (lower, lower + more)
        jobs.append(Job(Request(str(i), s, 1000, at, hint=LengthEstimate(*ends)), o))
    return Trace.of(jobs)


def _simulate(policy: str, trace: Trace, memory: int = MEMORY, seed: int = 0) -> Simulation:
    config = SimulatorConfig.unit_time(memory, EVICTIONS[policy])
    return SimulatedEngine(config, policy, seed=seed).simulate(trace)


def _records(simulation: Simulation) -> list[RequestRecord]:
    return simulation.result().records


def _happened(simulation: Simulation) -> str:
    # As text, since NaN differs from itself.
    return repr([replace(record, lower=0, upper=0) for record in _records(simulation)])


@pytest.mark.parametrize("policy", POLICIES)
@given(rows=rows)
def test_memory_holds_and_everyone_finishes(policy: str, rows: Rows) -> None:
    """Never more than M tokens; every request that fits finishes, all others are rejected."""
    trace = _jobs(rows)
    simulation = _simulate(policy, trace)
    assert simulation.peak_kv_tokens <= MEMORY
    fate = {r.request_id: (r.status, r.num_output_tokens) for r in _records(simulation)}
    assert fate == {
        job.request.request_id: ("finished", job.num_output_tokens)
        if job.request.num_prompt_tokens + job.num_output_tokens <= MEMORY
        else ("rejected", 0)
        for job in trace
    }


@pytest.mark.parametrize("policy", POLICIES)
@given(rows=rows)
def test_latencies_are_above_the_volume_bound(policy: str, rows: Rows) -> None:
    """The sum of latencies of a batch is >= sum o, and >= (1/M) sum of prefix sums of volumes."""
    trace = _jobs([(*row[:4], 0) for row in rows])
    done = [r for r in _records(_simulate(policy, trace)) if r.status == "finished"]
    total = sum(record.e2e_latency for record in done)
    s = np.array([record.num_prompt_tokens for record in done], float)
    o = np.array([record.num_output_tokens for record in done], float)
    assert total >= o.sum()
    volumes = np.sort(s * o + o * (o + 1) / 2)
    assert total >= np.cumsum(volumes).sum() / MEMORY - 1e-9


@given(rows=rows)
def test_true_bounds_make_them_all_one(rows: Rows) -> None:
    """With l = u = o, both readings of A_min, A_max and hindsight are the same, unpreempted."""
    trace = _jobs(rows, lambda o, lower, upper: (o, o))
    runs = [_simulate(p, trace) for p in ("hindsight", "amin-static", "amin-dynamic", "amax")]
    assert len({_happened(run) for run in runs}) == 1
    assert all(record.num_preemptions == 0 for record in _records(runs[0]))


@given(rows=rows)
def test_amax_never_preempts_below_its_bounds(rows: Rows) -> None:
    """While no output exceeds u."""
    trace = _jobs(rows, lambda o, lower, upper: (min(lower, o), max(upper, o)))
    assert all(record.num_preemptions == 0 for record in _records(_simulate("amax", trace)))


@pytest.mark.parametrize("policy", ["amin-static", "amin-dynamic"])
@given(rows=rows, upper=st.integers(31, 90))
def test_amin_does_not_look_at_upper_bounds(policy: str, rows: Rows, upper: int) -> None:
    """Any other u gives the same run."""
    runs = [
        _simulate(policy, _jobs(rows, change))
        for change in (None, lambda o, lower, _: (lower, max(lower, upper)))
    ]
    assert _happened(runs[0]) == _happened(runs[1])


@pytest.mark.parametrize("policy", [p for p in POLICIES if not POLICIES[p].leaves_at_bound])
@given(rows=rows)
def test_ample_memory_makes_waiting_needless(policy: str, rows: Rows) -> None:
    """Where M holds everything, a latency is the output's length, and nobody is preempted."""
    done = _records(_simulate(policy, _jobs(rows), memory=10_000))
    assert [r.e2e_latency for r in done] == [r.num_output_tokens for r in done]
    assert all(record.num_preemptions == 0 for record in done)


@pytest.mark.parametrize("policy", POLICIES)
@given(rows=rows, seed=st.integers(0, 5))
def test_the_same_seed_gives_the_same_run(policy: str, rows: Rows, seed: int) -> None:
    """Down to every time."""
    first, second = (_simulate(policy, _jobs(rows), seed=seed) for _ in range(2))
    assert _happened(first) == _happened(second)


@pytest.mark.parametrize("policy", POLICIES)
@given(rows=rows)
def test_bounds_never_fall(policy: str, rows: Rows) -> None:
    """What is believed at the end is at least what was believed first."""
    trace = _jobs(rows)
    simulation = _simulate(policy, trace)
    first = POLICIES[policy].initial_bound
    ran = [record for record in _records(simulation) if record.status == "finished"]
    for record, row in zip(ran, simulation.state.table, strict=True):
        view = RequestView(*row.tolist())
        # The clamp to what memory allows comes before anything is learned.
        believed = min(first(view), MEMORY - record.num_prompt_tokens)
        assert view.bound >= max(believed, 1)
