"""Traces of JSON lines: what is read, what is refused and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amin.errors import ConfigError
from amin.workload.read import read_trace

ROW: dict[str, Any] = {"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [3, 4]}


def _write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_reads_mooncakes_lines(tmp_path: Path) -> None:
    """Milliseconds become seconds; a prompt is the hashes of its blocks of 512 tokens."""
    trace = read_trace(_write(tmp_path / "t.jsonl", ROW, ROW | {"timestamp": 1500, "hash_ids": []}))
    assert trace.arrival_time.tolist() == [0, 1.5]
    first, second = trace
    assert first.num_output_tokens == 5
    assert list(first.request.prompt_token_ids) == [3] * 512 + [4] * 88
    assert not second.request.prompt_token_ids


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hash_ids": [3]}, r"hash_ids: got 1 of them, allowed: 2, one for every 512 of 600"),
        ({"hash_ids": "x"}, r"hash_ids: got x, allowed: a list of integers"),
        ({"hash_ids": [3, 4.5]}, r"hash_ids: got \[3, 4.5\], allowed: a list of integers"),
        ({"input_length": 0}, r"input_length: got 0, allowed: an integer >= 1"),
        ({"output_length": None}, r"output_length: missing, allowed"),
        ({"timestamp": "soon"}, r"got 'soon', allowed: a time or a date"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """File, line, field and value, and what is allowed."""
    path = _write(tmp_path / "t.jsonl", ROW, ROW | change)
    with pytest.raises(ConfigError, match=rf"t.jsonl: line 2: {message}"):
        read_trace(path)
