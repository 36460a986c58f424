"""Everything compiled is compiled when the scheduler is made, before a server says it is ready."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from numba.core.registry import CPUDispatcher

from amin.workload.lmsys_like import embedded_replies, lmsys_like

pytestmark = pytest.mark.dry

POLICIES = "amin-dynamic", "fcfs", "past-future", "priority"
"""With and without a forecast, with one that reads the request, and without lengths."""

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "prefix caching": {"enable_prefix_caching": True, "async_scheduling": True},
    "sliding window": {"kv_cache_groups": (("full", 0), ("sliding", 64))},
    "chunks": {"long_prefill_token_threshold": 32},
}


def _compiled() -> dict[str, int]:
    """Signatures compiled or loaded so far, of each of amin's functions."""
    found: dict[str, int] = {}
    for one in gc.get_objects():
        # Not isinstance, which would look through a weak reference to nothing.
        if issubclass(type(one), CPUDispatcher):
            name = f"{one.__module__}.{one.__name__}:{one.py_func.__code__.co_firstlineno}"
            found[name] = found.get(name, 0) + len(one.overloads)
    return found


@pytest.mark.parametrize(
    ("policy", "name"),
    [(policy, "plain") for policy in POLICIES] + [("expected-volume", name) for name in SHAPES],
)
def test_no_request_waits_for_a_compiler(
    engine_of: Callable[..., Any], policy: str, name: str
) -> None:
    """Arrivals, waiting, preemptions, ends and learning, at twice the capacity: not one function
    is compiled for them, nor loaded from the cache."""
    replies = embedded_replies(2000, seed=3)
    jobs = lmsys_like(replies, num_requests=250, requests_per_second=11, seed=3)
    settings = {"predictor": "online", "tail_promise": 1.0, "seconds_per_step": 0.03}
    engine = engine_of(policy, num_gpu_blocks=257, block_size=16, **settings, **SHAPES[name])
    before = _compiled()
    records = engine.run(jobs).records
    assert sum(record.num_preemptions for record in records) or policy == "amax"
    after = _compiled()
    assert {name for name in after if after[name] != before.get(name, 0)} == set()
