"""The wall clock of a server jumps (a time server corrects it, a machine wakes up)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from amin.policy.catalog import SERVABLE
from amin.workload.interface import Job
from amin.workload.log import read_log

pytestmark = pytest.mark.dry

NUM_REQUESTS = 60
JUMPS = 0.0, 3600.0, -7200.0, 86400.0, -86400.0, 0.5
START = 1.7e9


def _jumping() -> Iterator[float]:
    """Seconds since 1970, never in order."""
    return (START + i + jump for i, jump in enumerate(itertools.cycle(JUMPS)))


def _steady() -> Iterator[float]:
    return (START + i for i in itertools.count())


def _run(
    stepper: Callable[..., Any],
    job: Callable[..., Job],
    clock: Iterator[float],
    *arguments: str,
    **settings: Any,
) -> tuple[list[Any], Any]:
    """(who was served, and how much, in each step; the lengths learned) under this clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: next(clock))
        run = stepper(*arguments, num_gpu_blocks=40, client_hints=True, **settings)
        jobs = [
            job(str(i), 3 + i % 7, 2 + (i * 37) % 60, client=f"c{i % 3}", max_tokens=70)
            for i in range(NUM_REQUESTS)
        ]
        steps = []
        while jobs or run.scheduler.has_requests():
            if jobs:
                arrives = jobs.pop(0)
                request = structs.replace(arrives.request, arrival_time=time.time())
                run.add(replace(arrives, request=request))
            steps.append((sorted(run.step().items()), list(run.preempted)))
        run.scheduler.shutdown()
        return steps, run.scheduler.amin.lengths.survival.copy()


@pytest.mark.parametrize("promise", [None, 1.0])
@pytest.mark.parametrize("policy", SERVABLE)
def test_no_decision_reads_the_clock(
    stepper: Callable[..., Any], job: Callable[..., Job], policy: str, promise: float | None
) -> None:
    """Every step serves and preempts the same, and the same is learned, however the clock jumps."""
    settings = {"predictor": "online", "tail_promise": promise}
    steps, learned = _run(stepper, job, _steady(), policy, **settings)
    jumped, learned_then = _run(stepper, job, _jumping(), policy, **settings)
    assert steps == jumped
    assert (learned == learned_then).all()


def test_a_log_survives_a_jump(
    stepper: Callable[..., Any], job: Callable[..., Job], tmp_path: Path
) -> None:
    """Each request is in it, and it is read, in the order of what the clock said."""
    path = tmp_path / "log.jsonl"
    _run(stepper, job, _jumping(), "expected-volume", log_file=str(path))
    log = read_log(path)
    assert (len(log.trace), log.num_broken) == (NUM_REQUESTS, 0)
    assert (log.trace.arrival_time[1:] >= log.trace.arrival_time[:-1]).all()
    assert log.trace.arrival_time[-1] > 86400.0
