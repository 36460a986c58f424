"""A tiny fixed workload: the step in which each request ends, and how often it was preempted.

To write the file anew after a change that is meant to change decisions (look at the difference):
AMIN_WRITE_GOLDEN=1 python -m pytest tests/dry/test_golden.py
"""

import json
import os

import pytest

from amin.engine.stock import STOCK
from amin.engine.vllm.self_test import GOLDEN as FILE
from amin.engine.vllm.self_test import decided
from amin.policy.catalog import POLICIES

pytestmark = pytest.mark.dry

IS_WRITING = bool(os.environ.get("AMIN_WRITE_GOLDEN"))
# A policy that has no entry yet is not held to one.
NAMES = [*POLICIES, *STOCK] if IS_WRITING else list(json.loads(FILE.read_text())["runs"])


@pytest.mark.parametrize("policy", NAMES)
def test_decisions_are_those_of_the_file(policy: str) -> None:
    """21 blocks of 4 tokens, steps of 1 s, so that a time is a number of steps."""
    got = decided(policy)
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
