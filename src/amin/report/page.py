"""One page that shows a comparison to somebody who has never heard of it.

The page is a single HTML file without scripts or outside resources; its policy forbids both.
Whatever comes from outside (names, settings) is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from amin.errors import ConfigError
from amin.record import RunResult
from amin.report.cells import HEADER, table_rows
from amin.report.comparable import is_same_workload
from amin.report.headline import headline
from amin.report.label import labels, provenances
from amin.report.latency_figure import latency_figure
from amin.report.memory_figure import memory_figure
from amin.report.timeline_figure import MAX_BARS, timeline_figure


def render_page(
    results: Sequence[RunResult],
    *,
    title: str,
    how: Mapping[str, str],
    words: Mapping[str, str] | None = None,
    again: RunResult | None = None,
) -> str:
    """The page as HTML text.

    The first of `results` is the baseline of all ratios; `again` is a second run of it, which shows
    what the noise of the machine is. `how` says how the runs were made, such as engine, model, seed
    and command, and `words` what each policy does, by its name; both are shown as they are. Raises
    `ConfigError` without runs.
    """
    if not results:
        raise ConfigError("results: got none, allowed: one run or more, the baseline first")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    source = files("amin.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        title=title,
        colors=colors(),
        how=how,
        subject=_subject(results),
        provenance=provenances(results),
        headline=headline(results, again),
        words=words or {},
        baseline=labels(results)[0],
        header=HEADER,
        rows=table_rows(results),
        latency=latency_figure(results),
        memory=memory_figure(results),
        timeline=timeline_figure(results),
        max_bars=MAX_BARS,
    )


def colors() -> str:
    """The variables that figures are drawn in, for light and dark."""
    return files("amin.report").joinpath("colors.css").read_text(encoding="utf-8")


def _subject(results: Sequence[RunResult]) -> str:
    """What was run, in one sentence."""
    seeds = sorted({result.seed for result in results})
    seed = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
    runs = "1 run" if len(results) == 1 else f"{len(results)} runs"
    if not all(is_same_workload(result, results[0]) for result in results):
        return f"{runs} of different requests ({seed})."
    num_requests = len(results[0].records)
    requests = "1 request" if num_requests == 1 else f"{num_requests:,} requests"
    same = "of" if len(results) == 1 else "of the same"
    return f"{runs} {same} {requests} ({seed})."
