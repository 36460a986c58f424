"""A sweep runs each cell once, in parallel, keeps what is finished and goes on from there."""

from __future__ import annotations

import json
import os
import types
from dataclasses import replace
from pathlib import Path

import pytest

from amin.errors import AminError, ConfigError, ConformanceError
from amin.experiment.cell import Cell
from amin.experiment.comparison import cells_of, compare
from amin.experiment.setting import Setting
from amin.experiment.sweep import sweep
from amin.experiment.traffic import Traffic
from amin.policy.catalog import get_policy
from amin.policy.interface import Policy
from amin.request import RequestView

TRAFFIC = Traffic("lmsys-like", num_requests=60, load=1.5)
SETTING = Setting(2048)
NAMES = ["vllm-fcfs", "amin-static", "vllm-priority@0.05"]


def _cells() -> list[Cell]:
    return cells_of(NAMES, TRAFFIC, SETTING, [1, 2])


def test_rows_come_in_the_order_of_the_cells() -> None:
    """Whoever finishes first; and each is what the cell makes alone."""
    cells = _cells()
    rows = sweep(cells, num_workers=4)
    assert [(row["label"], row["seed"]) for row in rows] == [(n, s) for n in NAMES for s in (1, 2)]
    assert rows[3] == cells[3].row()


def test_a_finished_cell_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in the folder is believed; what does not is run."""
    cells = _cells()
    sweep(cells[:4], folder=tmp_path)
    ran = []
    original = Cell.row
    monkeypatch.setattr(Cell, "row", lambda cell: ran.append(cell) or original(cell))  # type: ignore[func-returns-value]
    rows = sweep(cells, folder=tmp_path)
    assert ran == cells[4:] or ran == cells[:3:-1]
    assert rows == sweep(cells)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".json"]


def test_ctrl_c_leaves_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells that ended before are on disk, whole; those after are run by the next sweep."""
    cells = _cells()
    original = Cell.row

    def interrupted(cell: Cell) -> dict[str, object]:
        if cell == cells[3]:
            raise KeyboardInterrupt
        return original(cell)

    monkeypatch.setattr(Cell, "row", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(cells, folder=tmp_path, num_workers=1)
    kept = [json.loads(path.read_text()) for path in tmp_path.iterdir()]
    assert [row["label"] for row in kept].count("vllm-fcfs") == 2
    monkeypatch.setattr(Cell, "row", original)
    assert sweep(cells, folder=tmp_path) == sweep(cells)


def test_a_damaged_row_is_run_again(tmp_path: Path) -> None:
    """A file that is no JSON is not believed."""
    cells = _cells()[:1]
    rows = sweep(cells, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text("{")
    assert sweep(cells, folder=tmp_path) == rows


@pytest.mark.parametrize(
    ("change", "value"),
    [("kv_tokens", 1024), ("seed", 9), ("policy", "fcfs"), ("watermark", 0.1), ("block_size", 8)],
)
def test_other_settings_are_other_cells(change: str, value: object) -> None:
    """So that a changed command never shows an earlier one's numbers."""
    one = Cell("x", TRAFFIC, SETTING)
    assert Cell("x", TRAFFIC, replace(SETTING, **{change: value})).key != one.key  # type: ignore[arg-type]
    assert Cell("x", replace(TRAFFIC, load=2.0), SETTING).key != one.key


def test_what_a_setting_names_is_part_of_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edited trace, step time, class table or module is another cell; a touched one is not."""
    names = "t.csv", "s.csv", "c.json", "m.json"
    trace, steps, table, matrix = (tmp_path / name for name in names)
    matrix.write_text('{"floors": [1, 50], "counts": [[1, 0], [0, 1]]}')
    trace.write_text("arrival_time,num_prompt_tokens,num_output_tokens\n0,1,1\n")
    steps.write_text("num_scheduled_tokens,seconds\n1,1\n9,2\n")
    table.write_text('{"default": {"lower": 1, "upper": 5}}')
    module = tmp_path / "mine_of_test_sweep.py"
    module.write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    def key() -> str:
        setting = replace(
            SETTING,
            step_time=str(steps),
            predictor=f"class:{table}",
            policy="mine_of_test_sweep:POLICY",
        )
        return Cell("x", Traffic(str(trace), predicted=f"classes:{matrix}"), setting).key

    before = key()
    for path in (trace, steps, table, matrix, module):
        os.utime(path, (1, 1))
        assert key() == before
        path.write_text(path.read_text().replace("1", "2"))
        assert key() != before
        before = key()


def test_a_policy_of_ones_own_is_found_again() -> None:
    """Its cell has the same key in every process: no address of a function is in it."""
    policy = get_policy("amin-static")
    key = Cell("x", TRAFFIC, replace(SETTING, policy=policy)).key
    made_anew = replace(policy, order=types.FunctionType(policy.order.__code__, {}))
    assert Cell("x", TRAFFIC, replace(SETTING, policy=made_anew)).key == key


def test_a_comparison_is_a_frame() -> None:
    """A row for each policy and seed, with the numbers of the rows."""
    comparison = compare(NAMES[:2], TRAFFIC, SETTING, [1, 2])
    frame = comparison.to_pandas()
    assert frame["mean_ttft"].tolist() == [row["mean_ttft"] for row in comparison.rows]
    assert frame.groupby("label")["num_finished"].sum().to_dict() == dict.fromkeys(NAMES[:2], 120)


def test_a_comparison_divides_by_the_baseline_seed_by_seed() -> None:
    """Same requests for all; the watermark is part of a label."""
    comparison = compare(NAMES, TRAFFIC, SETTING, [1, 2])
    first, other = (
        [row["mean_e2e_latency"] for row in comparison.rows if row["label"] == label]
        for label in ("vllm-fcfs", "vllm-priority@0.05")
    )
    expected = [mine / base for mine, base in zip(other, first, strict=True)]
    assert comparison.ratios("vllm-priority@0.05", "mean_e2e_latency") == expected
    assert all(name in comparison.as_markdown() for name in NAMES)
    assert len(comparison.as_csv().splitlines()) == 7


def _earliest(r: RequestView) -> int:
    return r.arrival_index


def _negative(r: RequestView) -> int:
    return -1


def _uncompilable(r: RequestView) -> int:
    return int(r._asdict()["bound"])


@pytest.mark.parametrize(
    ("forecast", "error", "words"),
    [
        (_negative, ConformanceError, "forecast answered -1, allowed: >= 1"),
        (_uncompilable, AminError, "forecast of policy 'mine' does not compile"),
    ],
)
def test_a_broken_policy_is_one_line_and_runs_nothing(
    forecast: object, error: type[Exception], words: str
) -> None:
    """A negative forecast, or what cannot be compiled."""
    mine = Policy("mine", "x", _earliest, _earliest, forecast=forecast)  # type: ignore[arg-type]
    with pytest.raises(error, match=words):
        compare(["vllm-fcfs", mine], TRAFFIC, SETTING, [1])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["nope"], "policy: unknown 'nope'"),
        (["vllm-fcfs@much"], r"policies: got 'vllm-fcfs@much', allowed: NAME\[@WATERMARK\]"),
        (["fcfs+much"], "tail_promise: got 'much', allowed: off or a number"),
        ([], "allowed: one or more of each"),
    ],
)
def test_refuses_what_is_no_policy(names: list[str], words: str) -> None:
    """Field, value, what is allowed."""
    with pytest.raises(ConfigError, match=words):
        compare(names, TRAFFIC, SETTING, [1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"source": "nowhere.csv"}, "workload: got 'nowhere.csv', allowed: a file or lmsys-like"),
        ({"num_requests": 0}, "num_requests: got 0, allowed: >= 1"),
        ({"load": 0.0}, "load: got 0.0, allowed: > 0"),
        ({"arrivals": "rain"}, "arrivals: got 'rain', allowed: poisson"),
        ({"predicted": "well"}, "intervals: got 'well', allowed: none"),
    ],
)
def test_refuses_what_is_no_traffic(settings: dict[str, object], words: str) -> None:
    """Field, value, what is allowed."""
    with pytest.raises(ConfigError, match=words):
        Traffic(**settings)  # type: ignore[arg-type]
