"""A tiny fixed workload: the step in which each request ends, and how often it was preempted.

To write the file anew after a change that is meant to change decisions (look at the difference):
AMIN_WRITE_GOLDEN=1 python -m pytest tests/dry/test_golden.py
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amin.engine.stock import STOCK
from amin.policy.catalog import POLICIES
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

FILE = Path(__file__).with_name("golden.json")
IS_WRITING = bool(os.environ.get("AMIN_WRITE_GOLDEN"))
# A policy that has no entry yet is not held to one.
NAMES = [*POLICIES, *STOCK] if IS_WRITING else list(json.loads(FILE.read_text())["runs"])
# (name, prompt, output, arrival, lower, upper, priority)
TRACE = [
    ("a", 9, 30, 0, 12, 35, 1),
    ("b", 17, 6, 0, 4, 8, 0),
    ("c", 5, 44, 0, 20, 50, 2),
    ("d", 12, 3, 2, 2, 9, 0),
    ("e", 22, 12, 5, 12, 12, 2),
    ("f", 3, 25, 5, 3, 30, 1),
    ("g", 8, 16, 9, 5, 20, 0),
    ("h", 14, 9, 20, 15, 16, 1),
]


def _run(engine: Any, jobs: list[Job]) -> dict[str, list[int]]:
    records = sorted(engine.run(jobs).records, key=lambda record: record.request_id)
    return {r.request_id: [int(r.finish_time), r.num_preemptions] for r in records}


@pytest.mark.parametrize("policy", NAMES)
def test_decisions_are_those_of_the_file(
    engine_of: Callable[..., Any], job: Callable[..., Job], policy: str
) -> None:
    """21 blocks of 4 tokens, steps of 1 s, so that a time is a number of steps."""
    jobs = [
        job(name, prompt, output, at=float(at), lower=lower, upper=upper, priority=priority)
        for name, prompt, output, at, lower, upper, priority in TRACE
    ]
    got = _run(engine_of(policy, num_gpu_blocks=22, client_hints=True), jobs)
    if IS_WRITING:
        _write(policy, got)
    golden = json.loads(FILE.read_text())["runs"]
    assert got == golden[policy]


def test_the_policies_differ() -> None:
    """The workload tells the policies apart: stock and its twin agree, no others do."""
    runs = json.loads(FILE.read_text())["runs"]
    assert runs["fcfs"] == runs["vllm-fcfs"]
    others = [json.dumps(run) for name, run in runs.items() if not name.startswith("vllm-")]
    assert len(set(others)) == len(others)


def _write(policy: str, got: dict[str, list[int]]) -> None:
    golden = json.loads(FILE.read_text()) if FILE.exists() else {"runs": {}}
    runs = golden["runs"] | {policy: got}
    lines = [f"  {json.dumps(name)}: {json.dumps(run)}" for name, run in runs.items()]
    head = {
        "what": "policy: {request: [step of its end, number of preemptions]}",
        "regenerate": "AMIN_WRITE_GOLDEN=1 python -m pytest tests/dry/test_golden.py",
    }
    top = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items())
    FILE.write_text("{\n" + top + ',\n "runs": {\n' + ",\n".join(lines) + "\n }\n}\n")
