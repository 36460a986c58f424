"""No schedule is better than the optimum, and the optimum not better than its bounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.errors import ConfigError
from amin.policy.catalog import POLICIES
from amin.theory.bounds import total_latency_bound, volume_bound, volumes
from amin.theory.optimum import least_total_latency

MEMORY = 12
rows = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(0, 3)), min_size=1, max_size=5
)


def test_a_volume_is_the_sum_of_what_a_request_holds() -> None:
    """s + 1, s + 2, ..., s + o."""
    assert volumes(np.array([4]), np.array([3])).tolist() == [5 + 6 + 7]


def test_the_volume_bound_by_hand() -> None:
    """Volumes 2 and 18 in 10 tokens: (2 + 20) / 10."""
    assert volume_bound(np.array([4, 1]), np.array([3, 1]), 10) == pytest.approx(2.2)


def _by_trying(rows: list[tuple[int, int, int]], memory: int) -> int:
    """Every way to start the requests."""
    horizon = max(at for *_, at in rows) + sum(o for _, o, _ in rows)
    best = 10**9
    for starts in itertools.product(*(range(at, horizon - o + 1) for _, o, at in rows)):
        fits = all(
            sum(
                s + t - k
                for (s, o, _), k in zip(rows, starts, strict=True)
                if k < t <= k + o
            )
            <= memory
            for t in range(1, horizon + 1)
        )  # fmt: skip
        if fits:
            total = sum(k + o - at for (_, o, at), k in zip(rows, starts, strict=True))
            best = min(best, total)
    return best


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=3
    )
)
def test_the_optimum_is_the_best_of_all_schedules(rows: list[tuple[int, int, int]]) -> None:
    """As trying all of them finds."""
    prompt, output, arrival = zip(*rows, strict=True)
    assert least_total_latency(prompt, output, arrival, 8) == _by_trying(rows, 8)


@settings(max_examples=15)
@given(rows)
def test_no_policy_beats_the_optimum(rows: list[tuple[int, int, int]]) -> None:
    """Clairvoyant ones among them; and a batch's optimum is above its bounds."""
    from amin.engine.simulator import SimulatedEngine, SimulatorConfig
    from amin.workload.trace import Trace

    rows = sorted(rows, key=lambda row: row[-1])
    prompt, output, arrival = (np.array(column) for column in zip(*rows, strict=True))
    best = least_total_latency(prompt.tolist(), output.tolist(), arrival.tolist(), MEMORY)
    trace = Trace.of_lengths(prompt, output, arrival.astype(float))
    # Who is preempted and keeps its tokens pauses at no cost here, which the optimum may not do.
    for name in [name for name, policy in POLICIES.items() if not policy.needs_kept_tokens]:
        run = SimulatedEngine(SimulatorConfig.unit_time(MEMORY), name).run(trace)
        assert sum(record.e2e_latency for record in run.records) >= best
    if not arrival.any():
        assert best >= total_latency_bound(prompt, output, MEMORY) - 1e-9


def test_what_never_fits_is_refused() -> None:
    """The message has the memory that it would take."""
    with pytest.raises(ConfigError, match="memory: got 5, allowed: >= 6"):
        least_total_latency([3], [3], [0], 5)
