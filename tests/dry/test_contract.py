"""What amin decides is the same on every supported version of vLLM, to the last step.

Runs under load, each as a signature: a hash of every time, preemption and block of it. ``make
test-matrix`` runs this on each version. Where a change is meant to change decisions, write
the signatures anew: ``python -m tests.dry.test_contract > tests/dry/signatures.json``.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from amin.engine.vllm.versions import installed_version
from amin.workload.lmsys_like import embedded_replies, lmsys_like

pytestmark = pytest.mark.dry

SIGNATURES = Path(__file__).with_name("signatures.json")
DEFAULT: dict[str, Any] = {"predictor": "online", "tail_promise": 1.0, "forecast_floor": 15}
DEFAULT |= {"stream_promise": 10.0}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "the default": ("expected-volume", DEFAULT),
    "A_min": ("amin-dynamic", {"predictor": "online:0.9", "forecast_floor": 15}),
    "fcfs": ("fcfs", {}),
}
WAYS: dict[str, dict[str, Any]] = {
    "sync": {},
    "async": {"async_scheduling": True},
    "prefix caching": {"enable_prefix_caching": True},
    # Through small batches: vLLM's own threshold for long prompts means another thing since 0.31.
    "chunks": {"max_num_batched_tokens": 64, "max_num_seqs": 48},
    "a sliding window": {"kv_cache_groups": (("full", 0), ("sliding", 64))},
}
CASES = [f"{setting}, {way}" for setting in SETTINGS for way in WAYS]


def signature(make_engine: Callable[..., Any], case: str) -> str:
    """The hash of one run."""
    setting, way = case.split(", ")
    policy, settings = SETTINGS[setting]
    shape = {"num_gpu_blocks": 257, "block_size": 16, "seconds_per_step": 0.03} | WAYS[way]
    replies = embedded_replies(2000, seed=3)
    jobs = lmsys_like(replies, num_requests=200, requests_per_second=11, seed=3)
    result = make_engine(policy, **shape, **settings).run(jobs)
    done = [asdict(one) for one in (*result.records, *result.samples)]
    return hashlib.sha256(repr(done).encode()).hexdigest()[:16]


@pytest.mark.parametrize("case", CASES)
def test_decisions_are_the_same_on_every_version(engine_of: Callable[..., Any], case: str) -> None:
    """Equal to what was written down, on whichever version that was."""
    assert signature(engine_of, case) == json.loads(SIGNATURES.read_text())[case]


def test_it_is_this_version_that_is_tested() -> None:
    """In the matrix: the one asked for, and its files, not those of the base environment."""
    expected = os.environ.get("AMIN_EXPECTED_VLLM")
    if expected is None:
        pytest.skip("AMIN_EXPECTED_VLLM is not set: not a run of make test-matrix")
    assert installed_version().base_version == expected
    home = Path(str(importlib.import_module("vllm").__file__)).parent
    assert sys.path[0] == "" or any(home.is_relative_to(Path(folder)) for folder in sys.path)
    assert (home.parent / "complete").exists() or expected == "0.32.0"


if __name__ == "__main__":
    from tests.dry.conftest import make_engine

    print(json.dumps({case: signature(make_engine, case) for case in CASES}, indent=1))
