"""The debug log says of each request why it went when it did, and nothing is decided otherwise."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tests.dry.simulated import everything_decided

from amin.engine.simulator import SimulatorConfig
from amin.engine.vllm import dry, seam
from amin.engine.vllm.explained import BY_ORDER, BY_TAIL
from amin.record import RunResult
from amin.workload.lmsys_like import embedded_replies, lmsys_like

pytestmark = pytest.mark.dry

LINE = re.compile(
    r"amin: request (\S+) goes after ([\d.]+) s: ([^;]+); (\d+) that came later went before it, "
    r"and it before (\d+) that came earlier"
)


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(record.getMessage())


@pytest.fixture
def debug_log() -> Iterator[Lines]:
    """The debug log, switched on for one test."""
    # With the first engine of a process vLLM sets up its loggers anew.
    _run(1)
    lines, level = Lines(), seam.logger.level
    seam.logger.addHandler(lines)
    seam.logger.setLevel(logging.DEBUG)
    yield lines
    seam.logger.setLevel(level)
    seam.logger.removeHandler(lines)


def _run(num_requests: int = 400) -> RunResult:
    trace = lmsys_like(
        embedded_replies(3000, seed=3), num_requests=num_requests, requests_per_second=8, seed=3
    )
    trace = replace(trace, predicted_class=np.empty(0, np.object_))
    shape = SimulatorConfig(256, 16, enable_prefix_caching=True)
    engine = dry.DryEngine.like(
        shape, "expected-volume", predictor="online", tail_promise=0.9, stream_promise=10.0
    )
    return engine.run(list(trace))


def test_each_request_is_explained(debug_log: Lines) -> None:
    """Waits, and who passed whom, are those of the run; some went by a promise, most by order."""
    records = {record.request_id: record for record in _run().records}
    told = {match[1]: match for line in debug_log.lines if (match := LINE.match(line))}
    assert told.keys() == records.keys()
    for request_id, match in told.items():
        ours = records[request_id]
        waited = ours.first_scheduled_time - ours.arrival_time
        assert float(match[2]) == pytest.approx(waited, abs=0.006)
        went, came = ours.first_scheduled_time, ours.arrival_time
        others = [r for r in records.values() if r.first_scheduled_time != went]
        later = sum(r.arrival_time > came and r.first_scheduled_time < went for r in others)
        earlier = sum(r.arrival_time < came and r.first_scheduled_time > went for r in others)
        # Of those who are first scheduled in one step the order is not in the records.
        same = len(records) - len(others) - 1
        assert later <= int(match[4]) <= later + same
        assert earlier <= int(match[5]) <= earlier + same
    reasons = [match[3] for match in told.values()]
    assert set(reasons) == {BY_ORDER, BY_TAIL}
    assert 0 < reasons.count(BY_TAIL) < reasons.count(BY_ORDER)


def test_nothing_is_decided_otherwise(debug_log: Lines) -> None:
    """With the log on or off, every time and preemption is the same."""
    explained = _run(200)
    assert debug_log.lines
    seam.logger.setLevel(logging.INFO)
    assert everything_decided(_run(200)) == everything_decided(explained)
