"""The stream promise, by its definition, at every step of random runs; and what readers get."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from amin.engine.heap import SLOT as HEAP_SLOT
from amin.engine.reading import NUM_SEEN, SECONDS_EACH, WANTED
from amin.engine.rows import ADMISSION, ARRIVAL_INDEX, NUM_PREEMPTIONS, PRIORITY
from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.simulator.simulation import Simulation
from amin.engine.simulator.state import NUM_RUNNING, NUM_WAITING, SECONDS, SLOT
from amin.engine.slack import SPARE
from amin.engine.step_time import StepTime
from amin.engine.stream_promise import SECONDS_AHEAD
from amin.errors import ConfigError
from amin.experiment.load import at_load
from amin.metrics.summary import Summary, summary_of
from amin.request import Request
from amin.workload.generate import generate
from amin.workload.interface import Job
from amin.workload.lmsys_like import embedded_replies, lmsys_like
from amin.workload.trace import Trace
from amin.workload.turns import in_closed_loop

Row = tuple[Any, ...]

ROW = st.tuples(
    st.integers(1, 60),  # prompt
    st.integers(1, 75),  # output
    st.floats(0, 60, width=16),  # arrival
    st.integers(-1, 1),  # priority
    st.sampled_from([None, None, 0.0, 0.05, 2.0]),  # how fast it is read
)


def _simulation(rows: list[Row], policy: str, scheduling_policy: str) -> Simulation:
    jobs = [
        Job(Request(f"r{i}", prompt, 70, at, priority, reading_pace=pace), output)
        for i, (prompt, output, at, priority, pace) in enumerate(sorted(rows, key=lambda r: r[2]))
    ]
    config = SimulatorConfig(
        40, 4, 64, forecast_floor=1, step_time=StepTime(1.0, 0.01),
        scheduling_policy=scheduling_policy,
    )  # fmt: skip
    engine = SimulatedEngine(config, policy, tail_promise=0.5, stream_promise=0.3)
    return engine.start(Trace.of(jobs))


def _waiting(simulation: Simulation) -> set[int]:
    state = simulation.state
    return set(state.heap[HEAP_SLOT, : state.counts[NUM_WAITING]].tolist())


def _running(simulation: Simulation) -> set[int]:
    state = simulation.state
    lanes = state.running[: state.counts[NUM_RUNNING]]
    return set(state.lanes[lanes, SLOT].tolist())


def _pressing(simulation: Simulation, waiting: set[int], now: float) -> int | None:
    """By the definition: whose slack ends first, in the most urgent class that waits."""
    state = simulation.state
    level = state.table[:, PRIORITY] * simulation.limits.has_priorities
    most = min((level[slot] for slot in waiting), default=0)
    begun = [
        (int(state.readers[slot, WANTED] * 1e6), state.table[slot, ARRIVAL_INDEX], slot)
        for slot in waiting
        if level[slot] == most
        and state.readers[slot, NUM_SEEN] > 0
        and state.readers[slot, SECONDS_EACH] > 0
    ]
    if not begun or min(begun)[0] > now * 1e6 + SECONDS_AHEAD * 1e6:
        return None
    return int(min(begun)[2])


@pytest.mark.parametrize("scheduling_policy", ["fcfs", "priority"])
@pytest.mark.parametrize("policy", ["expected-volume", "amin-dynamic", "fcfs"])
def test_whose_slack_ends_goes_first(policy: str, scheduling_policy: str) -> None:
    """In each step of random runs, whoever is admitted while a reply presses is that reply."""
    num_pressing = 0

    @settings(max_examples=25, deadline=None, phases=[Phase.generate])
    @given(st.lists(ROW, min_size=20, max_size=60))
    def check(rows: list[Row]) -> None:
        nonlocal num_pressing
        simulation = _simulation(rows, policy, scheduling_policy)
        state, is_done = simulation.state, False
        while not is_done:
            # Arrivals come at the beginning of a step, and a preemption keeps it from admitting.
            before, now = _waiting(simulation), float(state.clock[SECONDS])
            admissions = state.table[:, ADMISSION].copy()
            preemptions = state.table[:, NUM_PREEMPTIONS].copy()
            readers = state.readers.copy()
            is_done = simulation.advance(1)
            if (state.table[:, NUM_PREEMPTIONS] != preemptions).any():
                continue
            after = state.readers.copy()
            state.readers[:] = readers
            changed = np.flatnonzero(state.table[:, ADMISSION] != admissions)
            present = before | set(changed.tolist()) | _waiting(simulation)
            for slot in changed[np.argsort(state.table[changed, ADMISSION])].tolist():
                expected = _pressing(simulation, present, now)
                assert expected in (None, slot)
                num_pressing += expected is not None
                present.discard(slot)
            state.readers[:] = after

    check()
    assert num_pressing > 20


@pytest.mark.parametrize("policy", ["expected-volume", "amin-dynamic"])
def test_who_has_slack_to_spare_leaves_first(policy: str) -> None:
    """In each step of random runs, nobody without slack leaves while somebody with it stays."""
    num_left = 0

    @settings(max_examples=25, deadline=None, phases=[Phase.generate])
    @given(st.lists(ROW, min_size=20, max_size=60))
    def check(rows: list[Row]) -> None:
        nonlocal num_left
        simulation = _simulation(rows, policy, "fcfs")
        state, is_done = simulation.state, False
        while not is_done:
            before, now = _running(simulation), float(state.clock[SECONDS])
            readers, preemptions = state.readers.copy(), state.table[:, NUM_PREEMPTIONS].copy()
            is_done = simulation.advance(1)
            left = set(np.flatnonzero(state.table[:, NUM_PREEMPTIONS] != preemptions).tolist())
            num_left += len(left)
            is_read = (readers[:, SECONDS_EACH] > 0) & (readers[:, NUM_SEEN] > 0)
            can_leave = ~is_read | (readers[:, WANTED] - now > SPARE)
            if any(not can_leave[slot] for slot in left):
                assert not any(can_leave[slot] for slot in before - left)

    check()
    assert num_left > 20


BOTH: dict[str, Any] = {"tail_promise": 1.0, "stream_promise": 10.0}


def _lmsys(policy: str, **promises: Any) -> Summary:
    trace = lmsys_like(
        embedded_replies(4000, seed=5), num_requests=3000, requests_per_second=7, seed=5
    )
    trace = replace(trace, predicted_class=np.empty(0, np.object_))
    config = SimulatorConfig(511, 16, enable_prefix_caching=True)
    return summary_of(SimulatedEngine(config, policy, **promises).simulate(trace).columns())


def test_no_reader_waits_under_load() -> None:
    """At 1.4 x capacity a tenth of stock's readers notice a pause, and more where short replies go
    first without a stream promise; with it hardly anybody does, the mean is still lower by a fifth,
    and the tail no worse than FCFS's."""
    stock = _lmsys("vllm-fcfs")
    tail = _lmsys("expected-volume", tail_promise=1.0)
    both = _lmsys("expected-volume", tail_promise=1.0, stream_promise=10.0)
    assert stock.share_paused > 0.08
    assert tail.share_paused > 0.08
    assert tail.max_pause > 20
    assert both.share_paused < 0.005
    assert both.max_pause < 4
    assert both.mean_e2e_latency < 0.85 * stock.mean_e2e_latency
    assert both.p99_e2e_latency < 1.02 * stock.p99_e2e_latency
    assert both.num_preemptions < stock.num_preemptions / 5
    assert both.p99_tpot < 0.5 * stock.p99_tpot


@pytest.mark.parametrize("num_users", [120, 200])
def test_a_crowd_that_comes_at_once_is_not_thrown_out_again(num_users: int) -> None:
    """So many users who ask at once, and again when they have a reply: nobody's reader waits.

    Their prompts are short, so that memory for all is there when they begin, and runs out before
    anybody has read a word; of FCFS's readers a tenth wait.
    """
    trace = lmsys_like(
        embedded_replies(2000, seed=7), num_requests=1000, requests_per_second=7, seed=7
    )
    crowd = in_closed_loop(replace(trace, predicted_class=np.empty(0, np.object_)), num_users)
    config = SimulatorConfig(511, 16, enable_prefix_caching=True)
    stock, ours = (
        summary_of(SimulatedEngine(config, policy, **promises).simulate(crowd).columns())
        for policy, promises in (("vllm-fcfs", {}), ("expected-volume", BOTH))
    )
    assert stock.share_paused > 0.08
    assert ours.share_paused < 0.002


def test_nobody_waits_for_minutes_beside_long_replies() -> None:
    """Replies of up to 24,000 tokens on memory for 64,000: others make way for one that returns.

    FCFS makes a reader in ten wait; while long ones waited for room to return, one waited 150 s.
    """
    config = SimulatorConfig(4096, 16, enable_prefix_caching=True)
    trace = at_load(generate("reasoning", 1500, seed=1), 1.5, config, 1)
    trace = replace(trace, predicted_class=np.empty(0, np.object_))
    stock, ours = (
        summary_of(SimulatedEngine(config, policy, **promises).simulate(trace).columns())
        for policy, promises in (("vllm-fcfs", {}), ("expected-volume", BOTH))
    )
    assert stock.share_paused > 0.08
    assert ours.share_paused < 0.005
    assert ours.max_pause < 20


def test_the_papers_model_has_no_readers() -> None:
    """Its steps take no seconds: a pace says nothing there."""
    with pytest.raises(ConfigError, match="stream_promise: got 10 in unit time"):
        SimulatedEngine(SimulatorConfig.unit_time(100), "amin-static", stream_promise=10.0)


def test_nothing_is_promised_where_nobody_reads() -> None:
    """With a pace of zero for all, each request fares as without the promise."""
    trace = lmsys_like(
        embedded_replies(2000, seed=6), num_requests=600, requests_per_second=9, seed=6
    )
    unread = replace(trace, reading_pace=np.zeros(len(trace)))
    promised: dict[str, Any] = {"stream_promise": 10.0}
    runs = [
        SimulatedEngine(SimulatorConfig(256, 16), "expected-volume", tail_promise=1.0, **more)
        .simulate(which)
        .columns()
        for which, more in ((trace, {}), (unread, promised))
    ]
    assert (runs[0].finish_time == runs[1].finish_time).all()
    assert np.isnan(runs[1].longest_pause).all()
