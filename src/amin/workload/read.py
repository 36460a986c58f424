"""A trace from a file of any kind that is understood."""

from __future__ import annotations

import logging
from pathlib import Path

from amin.workload.csv_trace import opened, read_csv_trace
from amin.workload.json_trace import read_json_trace
from amin.workload.jsonl_trace import read_jsonl_trace
from amin.workload.log import is_log, read_log
from amin.workload.trace import Trace

_logger = logging.getLogger(__name__)

_LOOKED_AT = 2**14
"""Characters; what comes before the lists in the results of a benchmark fits."""


def read_trace(path: Path, skip_broken: bool = False) -> Trace:
    """CSV, JSON lines, a log or a JSON document, maybe gzipped, told apart by how the file begins.

    Raises `ConfigError` naming file, row, column and value; broken lines of a log or a CSV file are
    left out, and a warning logged, where that is asked for.
    """
    with opened(path) as file:
        start = file.read(_LOOKED_AT)
    if start.startswith("[") or '"request_throughput"' in start or start.strip() == "{":
        return read_json_trace(path)
    if is_log(start):
        log = read_log(path, skip_broken)
        if log.num_broken:
            _logger.warning("%s: %d broken lines are left out", path, log.num_broken)
        return log.trace
    if start.startswith("{"):
        return read_jsonl_trace(path)
    return read_csv_trace(path, skip_broken)
