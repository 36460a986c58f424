"""A trace from a file of any kind that is understood."""

from __future__ import annotations

from pathlib import Path

from amin.workload.csv_trace import opened, read_csv_trace
from amin.workload.jsonl_trace import read_jsonl_trace
from amin.workload.trace import Trace


def read_trace(path: Path) -> Trace:
    """CSV or JSON lines, plain or gzipped, told apart by the first character.

    Raises `ConfigError` naming file, row, column and value.
    """
    with opened(path) as file:
        first = file.read(1)
    return read_jsonl_trace(path) if first == "{" else read_csv_trace(path)
