"""The map as a page and as Markdown: what it shows first, then every policy in every place."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from amin.experiment.map import Mapped, Place

COLUMNS = (
    ("mean", "mean_e2e_latency"),
    ("p99", "p99_e2e_latency"),
    ("worst", "max_e2e_latency"),
    ("TTFT", "mean_ttft"),
    ("TPOT", "mean_tpot"),
    ("recomputed", "num_recomputed_tokens"),
    ("makespan", "makespan"),
)
"""What each policy is compared by; below them stands the goodput."""

_IN_WORDS = {"batch": "at once", "gamma:4": "bursts"}


def as_markdown(found: Mapped) -> str:
    """The summary, and a table for each place."""
    return "\n".join([summary(found), *(_of_place(found, place) for place in found.rows)])


def as_page(found: Mapped) -> str:
    """The same as HTML, with the map in front."""
    from amin.report.plain_page import plain_page

    parts = [_introduction(found), figure(found), summary(found)]
    parts += [_of_place(found, place) for place in found.rows]
    return plain_page(found.config.title, parts)


def figure(found: Mapped) -> str:
    """The map: mean and 99th percentile of what it shows ÷ the baseline, in every place."""
    from amin.report.map_figure import MapPanel, map_figure

    shown = found.config.labels[1]
    loads = list(dict.fromkeys(place.load for place in found.rows))
    rows = list(dict.fromkeys((place.workload, place.kv_tokens) for place in found.rows))

    def values(column: str) -> list[list[float]]:
        return [
            [found.ratio(Place(*row, load), shown, column)[0] for load in loads] for row in rows
        ]

    return map_figure(
        [
            MapPanel(f"{title} ÷ {found.config.labels[0]}", values(column))
            for title, column in (COLUMNS[0], COLUMNS[1])
        ],
        [f"{workload}, {round(tokens / 1024)}k KV tokens" for workload, tokens in rows],
        [_IN_WORDS.get(load, load) for load in loads],
        name="map",
        title=f"{shown} ÷ {found.config.labels[0]}: mean and 99th percentile of the latency",
    )


def _introduction(found: Mapped) -> str:
    config = found.config
    return (
        f"Simulated, deciding as vLLM's scheduler does: {config.num_requests:,} requests, "
        f"{config.seeds} seeds, blocks of {config.block_size}, step time {config.step_time}. "
        f"The map shows *{config.labels[1]}*; columns are loads as multiples of capacity. Below 1 "
        f"is better than {config.labels[0]}.\n"
    )


def summary(found: Mapped) -> str:
    """What each policy gains where there is too much to do, and how often, over all places."""
    busy = [place for place in found.rows if place.is_at_capacity]
    lines = [
        f"| policy | mean, p99 at capacity or above ({len(busy)} places) | mean, median over all "
        "| places with mean < .95 | > 1.05 | p99 > 1.05 |",
        "|---|---|---|---|---|---|",
    ]
    for label in found.config.labels[1:]:
        means, tails = (
            {place: found.ratio(place, label, column)[0] for place in found.rows}
            for _, column in COLUMNS[:2]
        )
        at_capacity = [f"{fmean(of[p] for p in busy):.2f}" for of in (means, tails) if busy]
        middle = sorted(means.values())[len(means) // 2]
        lines.append(
            f"| {label} | {', '.join(at_capacity) or '-'} | {middle:.2f} "
            f"| {_share(m < 0.95 for m in means.values())} "
            f"| {_share(m > 1.05 for m in means.values())} "
            f"| {_share(t > 1.05 for t in tails.values())} |"
        )
    return "\n".join(lines) + "\n"


def _share(holds: Iterable[bool]) -> str:
    values = list(holds)
    return f"{sum(values)} of {len(values)}"


def _of_place(found: Mapped, place: Place) -> str:
    load = _IN_WORDS.get(place.load, f"load {place.load}")
    header = ["policy", *(title for title, _ in COLUMNS), "goodput"]
    lines = [
        f"\n### {place.workload}, {place.kv_tokens:,} KV tokens, {load}\n",
        f"| {' | '.join(header)} |",
        "|" + "---|" * len(header),
    ]
    for label in found.config.labels:
        cells = [_ratio(*found.ratio(place, label, column)) for _, column in COLUMNS]
        goodput = f"{found.mean(place, label, 'goodput'):.0%}"
        lines.append(f"| {label} | {' | '.join(cells)} | {goodput} |")
    return "\n".join(lines) + "\n"


def _ratio(mean: float, half: float) -> str:
    if mean != mean:
        return "-"
    return f"{mean:.2f} ± {half:.2f}" if half == half else f"{mean:.2f}"
