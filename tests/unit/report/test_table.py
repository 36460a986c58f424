import csv
import io
import math
from collections.abc import Callable

import pytest
from rich.console import Console

from amin.metrics.summary import summarize
from amin.record import RunResult
from amin.report.cells import Kind, format_value, table_rows
from amin.report.table import as_csv, as_markdown, as_table

MakeResult = Callable[..., RunResult]


def _printed(results: list[RunResult], width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(as_table(results))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.0004567, "time", "0.46 ms"),
        (0.0345, "time", "34.5 ms"),
        (0.999, "time", "999 ms"),
        (1.0, "time", "1.00 s"),
        (12.34, "time", "12.3 s"),
        (1234.5, "time", "1,234 s"),
        (0.9, "share", "90.0%"),
        (7.125, "rate", "7.12"),
        (1234567.0, "count", "1,234,567"),
        (math.nan, "count", "–"),
    ],
)
def test_numbers_have_three_digits_and_a_unit(value: float, kind: Kind, text: str) -> None:
    """Times switch to milliseconds below one second; NaN is a dash."""
    assert format_value(value, kind) == text


def test_golden_markdown(make_result: MakeResult) -> None:
    """The whole table of two runs, with ratios to the first in the cells of times only."""
    runs = [make_result(num_preemptions=1), make_result("amin", (1.5, 2.5))]
    assert as_markdown(runs).splitlines()[2:] == [
        "| fcfs | 2/2 | 3.00 s | 3.98 s | 1.00 s | 500 ms | 1.50 s | 100.0% | 2.50 | 2 | 100.0% |",
        "| amin | 2/2 | 2.00 s (0.67x) | 2.49 s (0.63x) | 1.00 s (1.00x) "
        "| 250 ms (0.50x) | 500 ms (0.33x) | 0.0% | 4.00 | 0 | 100.0% |",
    ]


def test_without_a_baseline_there_are_no_ratios(make_result: MakeResult) -> None:
    """If the first run finished nothing, the others stand alone."""
    rows = table_rows([make_result(latencies=()), make_result("amin")])
    assert [cell.ratio_text for row in rows for cell in row if cell.ratio_text] == []
    assert [str(cell) for cell in rows[0]][:3] == ["fcfs", "0/0", "–"]


def test_runs_that_cannot_be_compared_have_no_ratios(make_result: MakeResult) -> None:
    """Neither a run of other prompts nor one that finished less gets a flattering ratio."""
    rows = table_rows(
        [
            make_result("fcfs"),
            make_result("other", (1.0, 1.0), num_prompt_tokens=1),
            make_result("drop", (1.0,), num_aborted=1),
            make_result("amin", (1.0, 1.0)),
        ]
    )
    assert [row[2].ratio_text for row in rows] == ["", "", "", "0.33x"]


def test_csv_has_all_digits(make_result: MakeResult) -> None:
    """A spreadsheet gets the summary unrounded, one row per run, the undefined empty."""
    runs = [make_result("a, b", (1 / 3, 2.0)), make_result("none", ())]
    first, second = csv.DictReader(io.StringIO(as_csv(runs)))
    assert first["policy"] == "a, b"
    assert float(first["mean_e2e_latency"]) == summarize(runs[0]).mean_e2e_latency
    assert (second["mean_e2e_latency"], second["num_finished"]) == ("", "0")


def test_a_narrow_terminal_loses_no_digit(make_result: MakeResult) -> None:
    """85 columns hold every cell of the table on its line."""
    runs = [make_result("fcfs"), make_result("amin-dynamic", (1.5, 2.5), num_preemptions=9)]
    printed = _printed(runs, width=85)
    for row in table_rows(runs):
        (line,) = (line for line in printed.splitlines() if line.startswith(row[0].text + " "))
        assert " ".join(cell.text for cell in row) == " ".join(line.split())
    assert "simulated" in printed
    assert "ratios are to fcfs" in printed


def test_names_are_no_markup(make_result: MakeResult) -> None:
    """A policy's name shows as it is, in the terminal and in Markdown."""
    runs = [make_result("[red]x[/red]"), make_result("a|b<i>[c](d)")]
    printed = _printed(runs, width=120)
    assert printed.count("[red]x[/red]") == len(["row", "caption"])
    assert "| a\\|b&lt;i&gt;\\[c\\](d) |" in as_markdown(runs)


def test_no_runs() -> None:
    """A table of nothing has a header only."""
    assert len(as_markdown([]).splitlines()) == 2
    assert len(as_csv([]).splitlines()) == 1
    assert "policy" in _printed([], width=82)
