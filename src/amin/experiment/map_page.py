"""The map as a page and as Markdown: what it shows first, then every policy in every place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from amin.experiment.map import Mapped, Place

COLUMNS = (
    ("mean", "mean_e2e_latency"),
    ("p99", "p99_e2e_latency"),
    ("worst", "max_e2e_latency"),
    ("TTFT", "mean_ttft"),
    ("p99 TPOT", "p99_tpot"),
    ("p99 gap", "p99_longest_gap"),
    ("recomputed", "num_recomputed_tokens"),
    ("makespan", "makespan"),
)
"""What each policy is compared by, as a ratio to the baseline's."""

SHARES = (("paused > 1 s", "share_paused"), ("goodput", "goodput"))
"""What is shown as it is: readers who once wait for more than a second, and replies in time."""

_HALF_A_PERCENT = 0.005
"""Added to both shares of a ratio of paused readers, so that none and hardly any look alike."""

_IN_WORDS = {"batch": "at once", "gamma:4": "bursts", "users:2": "users"}


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
    """The map: what it shows ÷ the baseline, mean and 99th percentile of the latency, and how many
    readers wait, in every place."""
    from amin.report.map_figure import MapPanel, map_figure

    base, shown = found.config.labels[:2]
    loads = list(dict.fromkeys(place.load for place in found.rows))
    rows = list(dict.fromkeys((place.workload, place.kv_tokens) for place in found.rows))
    places = [[Place(*row, load) for load in loads] for row in rows]

    def panel(title: str, column: str) -> MapPanel:
        return MapPanel(
            f"{title} ÷ {base}",
            [[found.ratio(place, shown, column)[0] for place in row] for row in places],
        )

    def paused(place: Place, label: str) -> float:
        return found.mean(place, label, "share_paused")

    pauses = MapPanel(
        f"% of readers who wait > 1 s ({base})",
        [
            [
                (paused(place, shown) + _HALF_A_PERCENT) / (paused(place, base) + _HALF_A_PERCENT)
                for place in row
            ]
            for row in places
        ],
        [
            [f"{100 * paused(place, shown):.1f} ({100 * paused(place, base):.0f})" for place in row]
            for row in places
        ],
    )
    return map_figure(
        [panel(*COLUMNS[0]), panel(*COLUMNS[1]), pauses],
        [f"{workload}, {round(tokens / 1024)}k KV tokens" for workload, tokens in rows],
        [_IN_WORDS.get(load, load) for load in loads],
        name="map",
        title=f"{shown} ÷ {base}: mean and 99th percentile of the latency, and readers who wait",
    )


def _introduction(found: Mapped) -> str:
    config = found.config
    return (
        f"Simulated, deciding as vLLM's scheduler does: {config.num_requests:,} requests, "
        f"{config.seeds} seeds, blocks of {config.block_size}, step time {config.step_time}. "
        f"The map shows *{config.labels[1]}*; columns are loads as multiples of capacity, then all "
        "at once, bursts at 1.1 x capacity, and users who ask again when they have a reply, twice "
        f"as many as fit. Below 1 is better than {config.labels[0]}.\n"
    )


def summary(found: Mapped) -> str:
    """What each policy gains where there is too much to do, and how often, over all places."""
    busy = [place for place in found.rows if place.is_at_capacity]
    lines = [
        f"| policy | mean, p99 at capacity or above ({len(busy)} places) | mean, median over all "
        "| places with mean < .95 | > 1.05 | p99 > 1.05 | > 1.10 | readers paused, goodput at "
        "capacity or above |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for label in found.config.labels:
        means, tails = (
            {place: found.ratio(place, label, column)[0] for place in found.rows}
            for _, column in COLUMNS[:2]
        )
        at_capacity = [f"{fmean(of[p] for p in busy):.2f}" for of in (means, tails) if busy]
        shares = [f"{_mean(found, busy, label, column):.1%}" for _, column in SHARES if busy]
        middle = sorted(means.values())[len(means) // 2]
        lines.append(
            f"| {label} | {', '.join(at_capacity) or '-'} | {middle:.2f} "
            f"| {_share(m < 0.95 for m in means.values())} "
            f"| {_share(m > 1.05 for m in means.values())} "
            f"| {_share(t > 1.05 for t in tails.values())} "
            f"| {_share(t > 1.10 for t in tails.values())} "
            f"| {', '.join(shares) or '-'} |"
        )
    return "\n".join(lines) + "\n"


def _mean(found: Mapped, places: Sequence[Place], label: str, column: str) -> float:
    values = [found.mean(place, label, column) for place in places]
    return fmean(value for value in values if value == value)


def _share(holds: Iterable[bool]) -> str:
    values = list(holds)
    return f"{sum(values)} of {len(values)}"


def _of_place(found: Mapped, place: Place) -> str:
    load = _IN_WORDS.get(place.load, f"load {place.load}")
    header = ["policy", *(title for title, _ in (*COLUMNS, *SHARES))]
    lines = [
        f"\n### {place.workload}, {place.kv_tokens:,} KV tokens, {load}\n",
        f"| {' | '.join(header)} |",
        "|" + "---|" * len(header),
    ]
    for label in found.config.labels:
        cells = [_ratio(*found.ratio(place, label, column)) for _, column in COLUMNS]
        cells += [f"{found.mean(place, label, column):.1%}" for _, column in SHARES]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _ratio(mean: float, half: float) -> str:
    if mean != mean:
        return "-"
    return f"{mean:.2f} ± {half:.2f}" if half == half else f"{mean:.2f}"
