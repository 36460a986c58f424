from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from amin.record import RequestRecord, RunResult
from amin.report.latency_figure import latency_figure
from amin.report.memory_figure import memory_figure, thinned
from amin.report.timeline_figure import MAX_BARS, sampled, timeline_figure

Draw = Callable[[list[RunResult]], Markup]
MakeResult = Callable[..., RunResult]
FIGURES = [latency_figure, memory_figure, timeline_figure]


def _texts(figure: Markup) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(figure).iter()]


@pytest.mark.parametrize("figure", FIGURES)
def test_names_stay_text(figure: Draw, make_result: MakeResult) -> None:
    """Markup and formulas in a name are shown, not obeyed."""
    drawn = figure([make_result("<script>$x^2$&"), make_result("$\\frac{$")])
    assert "<script>" not in drawn
    assert any("<script>$x^2$&" in text for text in _texts(drawn))


@pytest.mark.parametrize("figure", FIGURES)
def test_colours_come_from_the_page(figure: Draw, make_result: MakeResult) -> None:
    """No placeholder is left, and nothing is drawn in a colour that a dark page cannot change."""
    drawn = figure([make_result(str(i), num_preemptions=i % 2, num_aborted=1) for i in range(9)])
    assert "#01fe" not in drawn
    assert "#02fe" not in drawn
    assert "var(--ink)" in drawn
    assert "#000000" not in drawn
    assert "#ffffff" not in drawn


@pytest.mark.parametrize("figure", FIGURES)
def test_equal_runs_draw_equal_figures(figure: Draw, make_result: MakeResult) -> None:
    """No date and no random id."""
    assert figure([make_result()]) == figure([make_result()])


@pytest.mark.parametrize("figure", FIGURES)
def test_an_empty_run_is_drawn(figure: Draw) -> None:
    """A run without requests and samples gives an empty figure with its name on it."""
    drawn = figure([RunResult("nothing", "vllm", 0, 0, 16, [])])
    assert any("nothing" in text for text in _texts(drawn))


@given(st.lists(st.integers(0, 99), min_size=1, max_size=500), st.integers(2, 40))
def test_thinning_keeps_order_ends_and_extremes(values: list[int], max_points: int) -> None:
    """The curve keeps its ends, its highest and lowest value and its order in time."""
    usage = np.array(values, dtype=float)
    times, kept = thinned(np.arange(len(values), dtype=float), usage, max_points)
    assert len(kept) <= max(max_points, 2) + 2
    assert (times[0], times[-1]) == (0, len(values) - 1)
    assert (kept.min(), kept.max()) == (usage.min(), usage.max())
    assert np.all(np.diff(times) > 0)
    assert np.array_equal(usage[times.astype(int)], kept)


@pytest.mark.parametrize("count", [0, 1, MAX_BARS, MAX_BARS + 1, 1000])
def test_sampling_is_bounded_and_in_order_of_arrival(count: int) -> None:
    """At most MAX_BARS distinct requests, the first among them, sorted by arrival."""
    records = [RequestRecord(str(i), float(-i), 1, 1, 1) for i in range(count)]
    chosen = [record.arrival_time for record in sampled(records)]
    assert len(set(chosen)) == min(count, MAX_BARS)
    assert chosen == sorted(chosen)
    assert chosen[:1] == [-(count - 1.0)][: len(chosen)]


def test_a_reply_that_falls_silent_is_cut(make_result: MakeResult) -> None:
    """The bar has a thin line from where the longest gap began, if a reader notices it."""
    bars = []
    for gap in (0.9, 2.0):
        result = make_result()
        record = result.records[0]
        record.longest_gap, record.longest_gap_start = gap, record.first_token_time
        bars.append(timeline_figure([result]).count("fill: var(--ink)"))
    assert bars[1] == bars[0] + 1
