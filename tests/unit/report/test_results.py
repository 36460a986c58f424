import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.errors import ConfigError
from amin.record import RequestRecord, RunResult, Status, StepSample
from amin.report.results import read_result, write_result

MakeResult = Callable[..., RunResult]

counts = st.integers(0, 2**63)
times = st.floats(allow_infinity=False)
names = st.text(max_size=20)
records = st.builds(
    RequestRecord, names, times, *[counts] * 3, *[times] * 3, *[counts] * 4,
    st.sampled_from(get_args(Status)),
)  # fmt: skip
samples = st.builds(StepSample, times, counts, counts, counts)
results = st.builds(
    RunResult, names, names, st.integers(), counts, counts,
    st.lists(records, max_size=3), st.lists(samples, max_size=3),
    st.floats(0, 1e9), counts,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(results)
def test_reading_gives_back_what_was_written(result: RunResult) -> None:
    """Every bit of every time, NaN, quotes and line breaks in names included."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "deep" / "run"
        write_result(result, directory)
        assert repr(read_result(directory)) == repr(result)


def test_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    """A kernel may leave numpy scalars in a record; they are read back as Python's own."""
    record = RequestRecord("r", np.float64(0.1), np.int64(3), 1, 1)  # type: ignore[arg-type]
    result = RunResult("p", "e", 0, 1, 1, [record], num_steps=np.int64(7))  # type: ignore[arg-type]
    write_result(result, tmp_path / "run")
    read = read_result(tmp_path / "run")
    assert (read.records[0].arrival_time, read.records[0].num_prompt_tokens) == (0.1, 3)
    assert read.num_steps == 7
    assert math.isnan(read.records[0].finish_time)


def test_results_are_never_overwritten(tmp_path: Path, make_result: MakeResult) -> None:
    """Writing where a run is raises and leaves that run, and nothing else, in place."""
    write_result(make_result("first"), tmp_path / "run")
    with pytest.raises(ConfigError, match="run: exists"):
        write_result(make_result("second"), tmp_path / "run")
    assert read_result(tmp_path / "run").policy == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_file_in_the_way(tmp_path: Path, make_result: MakeResult) -> None:
    """A file of the same name is not replaced either."""
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ConfigError, match="run: exists"):
        write_result(make_result(), tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path, make_result: MakeResult) -> None:
    """Whole or not at all: what cannot be written to the end does not appear."""
    result = make_result()
    result.num_steps = "many"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="many"):
        write_result(result, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("records.csv", '"finished"', '"finito"', "row 1 column status: got 'finito'"),
        ("records.csv", "2.0,5", "2.0,-5", "row 1 column num_output_tokens: got '-5'"),
        ("records.csv", "4.0,5", "inf,5", "row 2 column finish_time: got 'inf'"),
        ("records.csv", "4.0,5", "4.o,5", "row 2 column finish_time: got '4.o'"),
        ("records.csv", "4.0,5,", "4.0,", "row 2: got 16 cells, allowed: 17"),
        ("records.csv", '"upper"', '"above"', "header: got .*above"),
        ("records.csv", '"r1"', '"r1', "not a CSV file"),
        ("samples.csv", "1.0,8,2,0\n", "", "got 1 rows, allowed: 2"),
        ("samples.csv", "1.0,8,2,0", "1.0,8,2,", "row 2 column num_waiting: got ''"),
        ("meta.json", '"seed": 0', '"seed": true', "seed: got True, allowed: int"),
        ("meta.json", '"seed"', '"sed"', "seed: got None, allowed: int"),
        ("meta.json", '"format": 3', '"format": 2', "format: got 2, allowed: 3"),
        ("meta.json", "{", "", "not a JSON file"),
    ],
)
def test_damage_is_named(
    tmp_path: Path, make_result: MakeResult, name: str, old: str, new: str, message: str
) -> None:
    """The error says which file, row, column and value."""
    write_result(make_result(), tmp_path / "run")
    path = tmp_path / "run" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=f"{name}.*{message}"):
        read_result(tmp_path / "run")


@pytest.mark.parametrize("name", ["meta.json", "records.csv", "samples.csv"])
def test_missing_and_binary_files(tmp_path: Path, make_result: MakeResult, name: str) -> None:
    """A file that is not text, or not there, is named as well."""
    write_result(make_result(), tmp_path / "run")
    path = tmp_path / "run" / name
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=f"{name}: not a"):
        read_result(tmp_path / "run")
    path.unlink()
    with pytest.raises(ConfigError, match=f"{name}: cannot be read"):
        read_result(tmp_path / "run")


def test_meta_must_be_an_object(tmp_path: Path, make_result: MakeResult) -> None:
    """Valid JSON of another shape is refused."""
    write_result(make_result(), tmp_path / "run")
    (tmp_path / "run" / "meta.json").write_text(json.dumps([1]))
    with pytest.raises(ConfigError, match="got a list, allowed: an object"):
        read_result(tmp_path / "run")
