"""The tail promise, checked step by step against a count by hand, and what it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.engine.crowd import BY_CHANCE, HARDLY, LAG, MEMORY, NEWEST_FOUND, TYPICAL_WORK
from amin.engine.promise import BESIDE, LOOKS_PER_STEP, OWN_BACKLOGS, WHERE_STEADY
from amin.engine.promise_books import (
    EXPECTED,
    FATE,
    FOUND,
    FOUND_PRESENT,
    FOUND_RUNNING,
    LATE,
    LOOK,
    NUM_WAITING,
    RUN_TIME,
    SERVICE,
    TOTAL,
    WAITING,
    WORK,
)
from amin.engine.rows import ADMISSION, PRIORITY
from amin.engine.simulator import SimulatedEngine, Simulation, SimulatorConfig
from amin.engine.simulator.state import ARRIVAL, FINISH, NUM_ARRIVED, SECONDS, WORK_DONE
from amin.engine.step_time import StepTime
from amin.errors import ConfigError
from amin.policy.catalog import SERVABLE
from amin.request import LengthEstimate, Request
from amin.workload.generate import generate
from amin.workload.interface import Job
from amin.workload.trace import Trace
from amin.workload.turns import in_closed_loop

CONFIG = SimulatorConfig(40, 4, forecast_floor=4, step_time=StepTime(1.0, 0.0))

requests = st.lists(
    st.tuples(
        st.integers(1, 40), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60),
        st.sampled_from([-20, 0, 0, 3, 30]),
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip
Rows = list[tuple[int, int, int, int, int]]


def _trace(rows: Rows) -> Trace:
    jobs = []
    for i, (prompt, output, at, bound, priority) in enumerate(sorted(rows, key=lambda r: r[2])):
        hint = LengthEstimate(bound, 60)
        jobs.append(Job(Request(f"r{i}", prompt, 60, at, priority, hint=hint), output))
    return Trace.of(jobs)


def _class_of(simulation: Simulation, slot: int) -> int:
    """Without classes all are of one; priorities from -8 to 8 have one each."""
    if not simulation.limits.has_priorities:
        return 0
    return int(min(max(simulation.state.table[slot, PRIORITY], -8), 8))


def _first_overdue(simulation: Simulation, promise: float, waiting: list[int]) -> int | None:
    """By definition: the earliest of the most urgent class that waits, if it or, in a closed loop,
    somebody behind it of that class would end after what is promised; else who would end after 8
    times its own, of those who are looked at in turn; before both, with classes, the earliest of
    all if it would."""
    state, noted = simulation.state, simulation.state.noted

    def is_late(slot: int, most: float, before: float = 0.0) -> bool:
        itself = noted[slot, FOUND] + noted[slot, TOTAL] + noted[slot, RUN_TIME]
        until_end = state.clock[WORK_DONE] - noted[slot, WORK] + noted[slot, SERVICE]
        return bool(until_end + BESIDE * before >= promise * min(most, OWN_BACKLOGS * itself))

    if not waiting:
        return None
    if simulation.limits.has_priorities and is_late(waiting[0], np.inf):
        return waiting[0]
    late: int | None = int(state.queues[LOOK, LATE])
    if late not in waiting or not is_late(late, np.inf):
        late = None
    oldest = min(waiting, key=lambda slot: _class_of(simulation, slot))
    if not _is_closed(simulation, oldest):
        by_heads = np.inf if _grows(simulation, oldest) else _by_heads(simulation, oldest)
        return oldest if is_late(oldest, min(by_heads, _as_newest(simulation, oldest))) else late
    before = 0.0
    for slot in waiting:
        if _class_of(simulation, slot) == _class_of(simulation, oldest):
            if is_late(slot, _by_heads(simulation, slot), before):
                return oldest
            before += noted[slot, EXPECTED]
    return late


def _found_by_its_class(simulation: Simulation, slot: int, first: int = 0) -> list[float]:
    """How many were present, as each arrival of the same class found it, from `first` on."""
    return [
        float(simulation.state.noted[other, FOUND_PRESENT])
        for other in range(first, simulation.state.counts[NUM_ARRIVED])
        if _class_of(simulation, other) == _class_of(simulation, slot)
    ]


def _grows(simulation: Simulation, slot: int) -> bool:
    """Whether the number present of its class has grown by more than chance since it came."""
    found = _found_by_its_class(simulation, slot, slot)
    return bool(found[-1] - found[0] >= BY_CHANCE * np.sqrt(len(found)))


def _is_closed(simulation: Simulation, slot: int) -> bool:
    """Whether the number present of its class hardly changes over `LAG` arrivals."""
    found = [0.0] * LAG + _found_by_its_class(simulation, slot)
    variability = 0.0
    for before, after in zip(found, found[LAG:], strict=False):
        variability += MEMORY * ((after - before) ** 2 / LAG - variability)
    return variability < HARDLY


def _newest_found(simulation: Simulation, slot: int) -> float:
    level = _class_of(simulation, slot) + 8 if simulation.limits.has_priorities else 0
    return float(simulation.state.crowd[level, NEWEST_FOUND])


def _as_newest(simulation: Simulation, slot: int) -> float:
    """What the newest would take: what it found itself, and what has come on top since."""
    noted = simulation.state.noted
    found = max(noted[slot, FOUND], _newest_found(simulation, slot))
    return float(found + noted[slot, TOTAL] + noted[slot, RUN_TIME])


def _by_heads(simulation: Simulation, slot: int) -> float:
    """Who is present counts as so many typical requests, or as what is known of it if less."""
    noted, typical = simulation.state.noted, simulation.state.crowd[-1, TYPICAL_WORK]
    present = _found_by_its_class(simulation, slot, slot)
    on_top = max(_newest_found(simulation, slot) - noted[slot, FOUND], 0)
    found = noted[slot, NUM_WAITING] * typical + noted[slot, FOUND_RUNNING]
    found += min(on_top, max(present[-1] - present[0], 0) * typical)
    return float(min(WHERE_STEADY * found + noted[slot, RUN_TIME], _as_newest(simulation, slot)))


@pytest.mark.parametrize(
    ("policy", "scheduling_policy"),
    [(policy, "fcfs") for policy in SERVABLE]
    + [(policy, "priority") for policy in ("expected-volume", "amin-dynamic", "fcfs")],
)
@pytest.mark.parametrize("promise", [0.3, 1.0])
def test_nobody_goes_before_who_is_overdue(
    policy: str, promise: float, scheduling_policy: str
) -> None:
    """At every step of random runs: whoever is admitted is overdue, or nobody is."""
    config = replace(CONFIG, scheduling_policy=scheduling_policy)
    engine = SimulatedEngine(config, policy, tail_promise=promise)

    @settings(max_examples=25, deadline=None)
    @given(requests)
    def check(rows: Rows) -> None:
        simulation = engine.start(_trace(rows))
        is_done = False
        while not is_done:
            clock = simulation.state.clock[SECONDS]
            before = simulation.state.table[:, ADMISSION].copy()
            arrived = simulation.state.times[:, ARRIVAL] <= clock
            ended = ~np.isnan(simulation.state.times[:, FINISH])
            waiting = np.flatnonzero(arrived & ~ended & (before < 0)).tolist()
            overdue = None
            if simulation.state.counts[NUM_ARRIVED] == arrived.sum():
                overdue = _first_overdue(simulation, promise, waiting)
            is_done = simulation.advance(1)
            admitted = [s for s in waiting if simulation.state.table[s, ADMISSION] > before.max()]
            if overdue is not None and admitted:
                assert overdue in admitted

    check()


@pytest.mark.parametrize("promise", [0.02, 0.04])
def test_whoever_is_late_by_its_own_is_found(promise: float) -> None:
    """In random runs somebody who would end after 8X times its own is found within as many steps
    as it takes to look at all who are present, and goes next."""
    engine = SimulatedEngine(CONFIG, "expected-volume", tail_promise=promise)
    found = set()

    @settings(max_examples=40, deadline=None)
    @given(requests)
    def check(rows: Rows) -> None:
        simulation, is_done, overlooked = engine.start(_trace(rows)), False, 0
        state, noted = simulation.state, simulation.state.noted
        while not is_done:
            is_done = simulation.advance(1)
            waiting = np.flatnonzero(state.queues[FATE, : len(rows)] == WAITING)
            itself = noted[waiting, FOUND] + noted[waiting, TOTAL] + noted[waiting, RUN_TIME]
            until_end = state.clock[WORK_DONE] - noted[waiting, WORK] + noted[waiting, SERVICE]
            is_late = (until_end >= promise * OWN_BACKLOGS * itself).any()
            kept = int(state.queues[LOOK, LATE])
            found.add(kept)
            overlooked = overlooked + 1 if is_late and kept < 0 else 0
            assert overlooked <= len(rows) // LOOKS_PER_STEP + 2

    check()
    assert len(found) > 1


def test_a_promise_of_nothing_is_first_come_first_served() -> None:
    """Everybody is overdue at once: the order of the first starts is that of the arrivals."""
    trace = generate("lmsys-like", 300, seed=2)
    trace = replace(trace, arrival_time=np.sort(np.random.default_rng(0).random(300) * 300))
    engine = SimulatedEngine(CONFIG, "amin-dynamic", tail_promise=0)
    started = engine.simulate(trace).columns().first_scheduled_time
    assert (np.diff(started[~np.isnan(started)]) >= 0).all()


def test_a_large_promise_is_none() -> None:
    """Nobody is ever overdue: the run is that without a promise."""
    trace = generate("lmsys-like", 300, seed=2)
    times = [
        SimulatedEngine(CONFIG, "expected-volume", tail_promise=promise)
        .simulate(trace)
        .columns()
        .finish_time
        for promise in (None, 1e9)
    ]
    assert repr(times[0].tolist()) == repr(times[1].tolist())


def test_the_promise_cuts_the_tail_and_keeps_most_of_the_mean() -> None:
    """LMSYS-like requests far above capacity, lengths learned online, against stock FCFS."""
    trace = generate("lmsys-like", 1500, seed=1)
    gaps = np.random.default_rng(1).exponential(1 / 9, 1500)
    trace = replace(trace, arrival_time=np.cumsum(gaps))
    config = SimulatorConfig(511, 16)

    def latency(policy: str, promise: float | None) -> np.ndarray:
        engine = SimulatedEngine(config, policy, tail_promise=promise)
        columns = engine.simulate(trace).columns()
        return columns.finish_time - columns.arrival_time

    fcfs, kept, off = (
        latency("vllm-fcfs", None),
        latency("expected-volume", 0.9),
        latency("expected-volume", None),
    )
    assert off.mean() < 0.6 * fcfs.mean()
    assert np.quantile(off, 0.99) > 1.3 * np.quantile(fcfs, 0.99)
    assert kept.mean() < 0.65 * fcfs.mean()
    assert np.quantile(kept, 0.99) < 1.05 * np.quantile(fcfs, 0.99)


@pytest.mark.parametrize("promise", [-1.0, float("nan"), float("inf")])
def test_refuses_a_promise_that_is_none(promise: float) -> None:
    """Field, value, what is allowed."""
    with pytest.raises(ConfigError, match=f"tail_promise: got {promise}, allowed: off or a number"):
        SimulatedEngine(CONFIG, "fcfs", tail_promise=promise)


def test_users_who_wait_for_replies_are_not_passed_for_ever_longer() -> None:
    """120 users, each of whom asks again when a reply has ended: the p99 stays near FCFS's, though
    those who are present are ever longer, and what a newcomer finds with them."""
    trace = in_closed_loop(generate("lmsys-like", 2000, seed=1), 120)
    trace = replace(trace, lower=np.zeros_like(trace.lower), upper=np.zeros_like(trace.upper))
    config = SimulatorConfig(511, 16, enable_prefix_caching=True)

    def p99(policy: str, **promises: Any) -> float:
        engine = SimulatedEngine(config, policy, predictor="online", **promises)
        columns = engine.simulate(trace).columns()
        return float(np.quantile(columns.finish_time - columns.arrival_time, 0.99))

    fcfs = p99("vllm-fcfs")
    assert p99("expected-volume", tail_promise=1.0, stream_promise=10.0) < 1.1 * fcfs
    assert p99("expected-volume", tail_promise=1.5) > 1.25 * fcfs
