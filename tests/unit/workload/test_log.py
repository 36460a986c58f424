"""A server's log as a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amin.errors import ConfigError
from amin.workload.log import read_log
from amin.workload.read import read_trace


def _write(path: Path, *lines: Any) -> Path:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def test_a_line_is_a_request_that_ended(tmp_path: Path) -> None:
    """All fields that are understood, in the order of arrival and from time 0 on."""
    late = {
        "arrival_time": 107.5, "num_prompt_tokens": 40, "num_output_tokens": 7, "max_tokens": 50,
        "predicted_class": "chat", "client": "c", "model": "m", "prompt": "Hello", "priority": 3,
        "unknown": [1],
    }  # fmt: skip
    early = {"arrival_time": 100.0, "num_prompt_tokens": 9, "num_output_tokens": 60}
    log = read_log(_write(tmp_path / "l.jsonl", late, "", early))
    first, second = log.trace
    assert (first.request.arrival_time, first.num_output_tokens) == (0.0, 60)
    assert (first.request.max_tokens, first.request.prompt) == (60, None)
    request = second.request
    assert (request.arrival_time, second.num_output_tokens, request.max_tokens) == (7.5, 7, 50)
    assert (request.predicted_class, request.client, request.prompt) == ("chat", "c", "Hello")
    assert (request.priority, log.model.tolist(), log.num_broken) == (3, ["", "m"], 0)


def test_messages_are_one_text(tmp_path: Path) -> None:
    """A line apart; parts that are no text are left out; tokens are estimated."""
    image = {"type": "image_url", "image_url": {"url": "x"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},
    ]
    path = _write(tmp_path / "l.jsonl", {"messages": messages, "num_output_tokens": 3})
    (job,) = read_log(path).trace
    assert job.request.prompt == "Be brief.\nWhat is this?"
    assert job.request.num_prompt_tokens == 6


def test_a_reply_that_was_cut_would_have_gone_on(tmp_path: Path) -> None:
    """In the trace it is cut by its cap; one of which nothing was made counts as one token."""
    rows = [{"num_prompt_tokens": 5, "num_output_tokens": n, "is_cut": True} for n in (12, 0)]
    log = read_log(_write(tmp_path / "l.jsonl", *rows))
    assert [(j.request.max_tokens, j.num_output_tokens) for j in log.trace] == [(12, 13), (1, 2)]
    assert log.is_cut.all()


def test_blocks_that_are_shared_are_shared_in_the_trace(tmp_path: Path) -> None:
    """Equal hashes are equal tokens; behind them no two prompts are alike."""
    rows = [
        {"num_prompt_tokens": n, "num_output_tokens": 1, "prompt_hashes": h, "hashed_tokens": 16}
        for n, h in ((40, [5, 6]), (32, [5, 7]), (35, [5, 6]))
    ]
    a, b, c = (
        job.request.prompt_token_ids for job in read_log(_write(tmp_path / "l", *rows)).trace
    )
    assert (len(a), len(b), len(c)) == (40, 32, 35)
    assert a[:16] == b[:16]
    assert a[16:32] == c[16:32] != b[16:32]
    assert a[32:35] != c[32:35]


GOOD = {"num_prompt_tokens": 5, "num_output_tokens": 6}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "got a list, allowed: an object"),
        ({"num_prompt_tokens": 5}, "num_output_tokens: missing"),
        ({"num_output_tokens": 5}, "num_prompt_tokens: missing, allowed: .* or a prompt"),
        (GOOD | {"num_output_tokens": -1}, "num_output_tokens: got -1"),
        (GOOD | {"num_output_tokens": 1.5}, "num_output_tokens: got 1.5"),
        (GOOD | {"num_prompt_tokens": 0}, "num_prompt_tokens: got 0"),
        (GOOD | {"is_cut": 1}, "is_cut: got 1, allowed: true or false"),
        (GOOD | {"arrival_time": float("nan")}, "arrival_time: got nan"),
        (GOOD | {"arrival_time": -1}, "arrival_time: got -1"),
        (GOOD | {"client": 7}, "client: got 7, allowed: a text"),
        (GOOD | {"prompt_hashes": ["x"]}, "prompt_hashes: got"),
        (GOOD | {"prompt_hashes": [1]}, "hashed_tokens: missing"),
        (GOOD | {"prompt_hashes": [1, 2, 3], "hashed_tokens": 4}, "hashes: got 3, allowed: 2"),
    ],
)
def test_broken_lines_are_named_and_counted(tmp_path: Path, line: Any, words: str) -> None:
    """Refused, unless they are to be skipped."""
    path = _write(tmp_path / "l.jsonl", GOOD, GOOD, line, "{broken")
    with pytest.raises(ConfigError, match=rf"l.jsonl: line 3: .*{words}.*\(2 of 4 lines"):
        read_log(path)
    log = read_log(path, skip_broken=True)
    assert (len(log.trace), log.num_broken) == (2, 2)


def test_a_log_of_nothing_is_refused(tmp_path: Path) -> None:
    """Even where broken lines are skipped."""
    with pytest.raises(ConfigError, match="no lines that can be read"):
        read_log(_write(tmp_path / "l.jsonl", "{"), skip_broken=True)


def test_a_trace_may_be_a_log(tmp_path: Path) -> None:
    """Told apart from Mooncake's lines by its fields."""
    assert len(read_trace(_write(tmp_path / "l.jsonl", GOOD, GOOD))) == 2
