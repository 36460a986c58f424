"""An `Explanation` in a terminal: a small table, and three sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table

from amin.experiment.explanation import Explanation, Life
from amin.report.terminal import plain


def life_table(told: Explanation, policy: str) -> Table:
    """What became of the request, beside stock FCFS."""
    title = (
        f"request {plain(told.request_id)}: came at {told.arrival_time:.1f} s, "
        f"{told.num_prompt_tokens:,} prompt tokens, {told.num_output_tokens:,} of output"
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False)
    for name in ("", plain(policy), "stock FCFS"):
        table.add_column(name, justify="right" if name else "left")
    for name, ours, fcfs in zip(_NAMES, _cells(told.ours), _cells(told.fcfs), strict=True):
        table.add_row(name, ours, fcfs)
    return table


_NAMES = (
    "first scheduled after",
    "first token after",
    "ended after",
    "preemptions",
    "longest pause of its reader",
)


def _cells(life: Life) -> list[str]:
    times = [life.first_scheduled, life.first_token, life.finished]
    cells = ["never" if math.isnan(time) else f"{time:.2f} s" for time in times]
    pause = "-" if math.isnan(life.longest_pause) else f"{life.longest_pause:.2f} s"
    return [*cells, f"{life.num_preemptions}", pause]


def sentences(told: Explanation, tail_promise: float | None) -> Iterator[str]:
    """Who passed it, why it went when it did, and what was promised."""
    yield (
        f"{told.num_passed_by:,} that came later were scheduled before it, and it before "
        f"{told.num_passed:,} that came earlier."
    )
    if math.isnan(told.ours.first_scheduled):
        yield "It can never run: it is longer than the memory or than max_model_len."
        return
    if told.by_promise:
        yield "It was not its turn yet by the policy's order: the tail promise made it go."
    else:
        yield "It went when its turn came by the policy's order, and it fitted into memory."
    if tail_promise is not None:
        took, worst = told.ours.finished, told.worst_of_fcfs
        kept = "which it did" if took <= tail_promise * worst else "and it took longer"
        yield (
            f"Under FCFS the worst-off of those who were present with it took {worst:.2f} s; it "
            f"is promised to take {tail_promise:g} times that at most, as estimated, {kept}."
        )
