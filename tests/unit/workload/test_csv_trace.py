"""A trace file is read whole or refused in one line that names file, row, column and value."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.workload.csv_trace import read_csv
from amin.workload.reading import Reading
from amin.workload.trace import Trace

HEADER = "arrival_time,num_prompt_tokens,num_output_tokens"


def _write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def read_csv_trace(path: Path) -> Trace:
    """The requests alone."""
    return read_csv(path).trace


def test_reads_amins_own_columns(tmp_path: Path) -> None:
    """Every column arrives where it belongs, in any order of columns."""
    path = _write(
        tmp_path / "t.csv",
        "upper,num_output_tokens,request_id,arrival_time,lower,num_prompt_tokens,priority,"
        "predicted_class,max_tokens",
        "9,5,a,0,2,10,1,short,20",
        '30,7,"b,c",1.5,3,11,-2,long,21',
    )
    first, second = read_csv_trace(path)
    assert (second.request.request_id, second.num_output_tokens) == ("b,c", 7)
    assert second.request.hint is not None
    assert (second.request.hint.lower, second.request.hint.upper) == (3, 30)
    assert second.request.arrival_time == 1.5
    assert second.request.num_prompt_tokens == 11
    assert second.request.priority == -2
    assert second.request.max_tokens == 21
    assert (first.request.predicted_class, second.request.predicted_class) == ("short", "long")


def test_without_bounds_nothing_is_predicted(tmp_path: Path) -> None:
    """No hint, ids from 0 on, and a cap that cuts nobody."""
    jobs = read_csv_trace(_write(tmp_path / "t.csv", HEADER, "0,5,6", "0.5,7,80"))
    assert [job.request.hint for job in jobs] == [None, None]
    assert [job.request.request_id for job in jobs] == ["0", "1"]
    assert {job.request.max_tokens for job in jobs} == {80}


@pytest.mark.parametrize("column", ["lower", "upper"])
def test_one_bound_alone_is_enough(tmp_path: Path, column: str) -> None:
    """The other end is then as far off as it can be."""
    (job,) = read_csv_trace(_write(tmp_path / "t.csv", f"{HEADER},{column}", "0,5,60,9"))
    assert job.request.hint is not None
    expected = (9, 60) if column == "lower" else (1, 9)
    assert (job.request.hint.lower, job.request.hint.upper) == expected


@pytest.mark.parametrize(
    ("header", "row", "arrivals"),
    [
        ("TIMESTAMP,ContextTokens,GeneratedTokens", "2023-11-16 18:15:4{i}.5000000,3,4", [0, 1]),
        ("Timestamp,Model,Request tokens,Response tokens", "{i},GPT-4,3,4", [0, 1]),
        ("arrival_s,client,input_tokens,output_tokens", "{i}.5,7,3,4", [0, 1]),
        ("num_prefill_tokens,num_decode_tokens", "3,4", [0, 0]),
        ("arrived_at,num_prefill_tokens,num_decode_tokens", "{i}.5,3,4", [0, 1]),
        ("arrived_at,prefill_tokens,decode_tokens", "{i},3,4", [0, 1]),
        ("TIMESTAMP,ContextTokens,GeneratedTokens", "2024-05-10 00:00:0{i}.5+00:00,3,4", [0, 1]),
        ("startTime,prompt_tokens,completion_tokens", "2026-05-10T00:00:0{i}Z,3,4", [0, 1]),
        ("startTime,prompt_tokens,completion_tokens", "2026-05-10T02:00:0{i}+02:00,3,4", [0, 1]),
    ],
)
def test_knows_the_columns_of_published_traces(
    tmp_path: Path, header: str, row: str, arrivals: list[float]
) -> None:
    """Times count from the first, those of dates in any zone too; without, all arrive at 0."""
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("\n".join([header, row.format(i=0), row.format(i=1)]))
    trace = read_csv_trace(path)
    assert trace.arrival_time.tolist() == arrivals
    assert trace.num_prompt_tokens.tolist() == [3, 3]
    assert trace.num_output_tokens.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["arrival_time,num_prompt_tokens", "0,1"], "row 1: no column num_output_tokens"),
        ([HEADER, "0,1,2", "1,-3,2"], "row 3: num_prompt_tokens: got -3, allowed: an integer >= 1"),
        ([HEADER, "0,1,2.5"], "row 2: num_output_tokens: got 2.5, allowed: an integer"),
        ([HEADER, "0,1,nan"], "row 2: num_output_tokens: got nan, allowed: an integer"),
        ([HEADER, "0,1,2", "0,1,"], "row 3: num_output_tokens: got '', allowed: a number"),
        ([HEADER, "0,1,2", "0,1"], "row 3: num_output_tokens: got None, allowed: a number"),
        ([HEADER, "0,many,2"], "row 2: num_prompt_tokens: got 'many', allowed: a number"),
        ([HEADER, "0,1,1e300"], "row 2: num_output_tokens: got 1e+300, allowed: an integer"),
        ([HEADER, "-1,1,2"], "row 2: arrival_time: got -1, allowed: seconds >= 0"),
        ([HEADER, "inf,1,2"], "row 2: arrival_time: got inf, allowed: seconds >= 0"),
        ([HEADER + ",lower,upper", "0,1,2,5,4"], "row 2: lower: got 5, allowed: <= upper"),
        ([HEADER + ",lower", "0,1,2,0"], "row 2: lower: got 0, allowed: an integer >= 1"),
        (
            [HEADER + ",request_id", "0,1,2,a", "0,1,2,b", "0,1,2,a"],
            "row 4: request_id: got 'a', allowed: each one once",
        ),
        ([HEADER, "0,1,0"], "no rows with a reply, allowed: one or more"),
        ([HEADER], "no rows, allowed: one request per row"),
        ([""], "row 1: no column num_prompt_tokens, num_output_tokens among none"),
        (["TIMESTAMP,ContextTokens,GeneratedTokens", "soon,1,2"], "row 2: TIMESTAMP: got 'soon'"),
    ],
)
def test_refuses_bad_rows(tmp_path: Path, lines: list[str], message: str) -> None:
    """One line with the first thing that is wrong."""
    path = _write(tmp_path / "t.csv", *lines)
    with pytest.raises(ConfigError) as caught:
        read_csv_trace(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_refuses_what_is_no_text(tmp_path: Path) -> None:
    """A picture, an archive that is cut, a folder, a file that is not there."""
    picture = tmp_path / "p.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe" * 10)
    cut = tmp_path / "c.csv.gz"
    cut.write_bytes(gzip.compress(b"x" * 10_000)[:40])
    for path in (picture, cut, tmp_path, tmp_path / "none.csv"):
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            read_csv_trace(path)


def test_stops_at_a_row_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of any size is refused after so many rows, not read to its end."""
    monkeypatch.setattr("amin.workload.table_file.MAX_ROWS", 3)
    path = _write(tmp_path / "t.csv", HEADER, *["0,1,2"] * 4, "never read")
    with pytest.raises(ConfigError, match="more than 3 rows"):
        read_csv_trace(path)


def test_numbers_keep_every_bit(tmp_path: Path) -> None:
    """Times as they were written."""
    times = np.sort(np.random.default_rng(0).random(200))
    rows = [f"{time!r},1,2" for time in times.tolist()]
    assert read_csv_trace(_write(tmp_path / "t.csv", HEADER, *rows)).arrival_time.tolist() == (
        times.tolist()
    )


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_file_without_ends_of_lines_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """However long it is: no more than a piece of it is read."""
    monkeypatch.setattr("amin.workload.table_file._CHUNK", 64)
    data = b"arrival_time,num_prompt_tokens,num_output_tokens\n0,1," + b"1" * 200
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with pytest.raises(ConfigError, match=r"row 2: longer than 64 bytes, allowed: a CSV file"):
        read_csv_trace(tmp_path / name)


def test_a_file_without_rows_warns_of_nothing(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """It is refused, in one line."""
    path = tmp_path / "t.csv"
    path.write_text("arrival_time,num_prompt_tokens,num_output_tokens\n")
    with pytest.raises(ConfigError, match="no rows, allowed: one request per row"):
        read_csv_trace(path)
    assert not recwarn.list


def test_what_is_out_of_order_is_sorted_and_said(tmp_path: Path) -> None:
    """Everything of a row moves with its time."""
    lines = f"{HEADER},client", "2,1,20,b", "1,3,40,a"
    found = read_csv(_write(tmp_path / "t.csv", *lines))
    assert found.trace.arrival_time.tolist() == [1, 2]
    assert found.trace.num_prompt_tokens.tolist() == [3, 1]
    assert found.trace.client.tolist() == ["a", "b"]
    assert "sorted by arrival" in str(found)


def test_replies_without_a_token_are_counted_and_left_out(tmp_path: Path) -> None:
    """As BurstGPT has failed requests, without a prompt, too; other rows keep their number."""
    path = _write(tmp_path / "t.csv", HEADER, "0,5,6", "1,0,0", "2,7,0", "3,8,9")
    found = read_csv(path)
    assert found.trace.num_prompt_tokens.tolist() == [5, 8]
    assert "2 left out: without a reply" in str(found)
    with pytest.raises(ConfigError, match=r"row 4: num_prompt_tokens: got 0, allowed"):
        read_csv(_write(path, HEADER, "0,5,6", "1,0,0", "2,0,3"))


def test_broken_rows_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    """A row that is cut off, one with a word for a number, one that is below what may be."""
    rows = "0,5,6", "1,x,2", "1", "2,-1,2", "3,8,9", "4,5,0"
    found = read_csv(_write(tmp_path / "t.csv", HEADER, *rows), Reading(skip_broken=True))
    assert found.trace.num_prompt_tokens.tolist() == [5, 8]
    assert found.left_out == (("broken", 3), ("without a reply", 1))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_seen_and_capitals_do_not_matter(tmp_path: Path, delimiter: str) -> None:
    """Numbers may be written as vLLM prints them."""
    header = delimiter.join(["Arrival_Time", "NUM_PROMPT_TOKENS", " num_output_tokens"])
    row = delimiter.join(["1.5", '"8,192"', "12"])
    (job,) = read_csv_trace(_write(tmp_path / "t.csv", header, row))
    assert job.request.arrival_time == 1.5
    assert (job.request.num_prompt_tokens, job.num_output_tokens) == (8192, 12)


def test_the_user_may_say_what_columns_are(tmp_path: Path) -> None:
    """By amin's names, with the unit of the times; what he names must be there."""
    path = _write(tmp_path / "t.csv", "when,asked,got,tenant", "500,3,4,a", "1500,5,6,b")
    said = "arrival_time=when,num_prompt_tokens=asked,num_output_tokens=got,client=tenant,unit=ms"
    trace = read_csv(path, Reading.of(said)).trace
    assert trace.arrival_time.tolist() == [0, 1]
    assert trace.num_output_tokens.tolist() == [4, 6]
    assert trace.client.tolist() == ["a", "b"]
    with pytest.raises(ConfigError, match=r"columns: got 'gone', allowed: when, asked, got"):
        read_csv(path, Reading.of("num_prompt_tokens=asked,num_output_tokens=gone"))


def test_the_nearest_columns_are_proposed(tmp_path: Path) -> None:
    """The proposal is one that works."""
    path = _write(tmp_path / "t.csv", "start_ms,prompt_toks,gen_out", "500,3,4", "1500,5,6")
    with pytest.raises(ConfigError) as caught:
        read_csv(path)
    found = re.search(r"Did you mean --columns '(.*)'\?", str(caught.value))
    assert found is not None
    trace = read_csv(path, Reading.of(found[1] + ",unit=ms")).trace
    assert trace.num_prompt_tokens.tolist() == [3, 5]
    assert trace.arrival_time.tolist() == [0, 1]


@pytest.mark.parametrize(("factor", "unit"), [(1, "s"), (1e3, "ms"), (1e6, "us"), (1e9, "ns")])
def test_times_since_1970_are_seen_by_their_size(tmp_path: Path, factor: float, unit: str) -> None:
    """In any unit."""
    rows = [f"{int(moment * factor)},1,2" for moment in (1_795_982_158, 1_795_982_168)]
    trace = read_csv_trace(_write(tmp_path / "t.csv", HEADER, *rows))
    assert trace.arrival_time.tolist() == pytest.approx([0, 10], abs=1e-3)


def test_no_more_rows_are_read_than_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is in the file behind them, and however long it is."""
    monkeypatch.setattr("amin.workload.table_file.MAX_ROWS", 3)
    path = _write(tmp_path / "t.csv", HEADER, "0,1,2", "1,1,2", *["never read"] * 9)
    assert len(read_csv(path, num_requests=2).trace) == 2
