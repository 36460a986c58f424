from collections.abc import Callable
from typing import Any

import pytest

from amin.engine.conformance import CHECKS, MakeEngine
from amin.policy.catalog import SERVABLE

pytestmark = pytest.mark.dry

SETTINGS = {
    "sync": {},
    "async": {"async_scheduling": True},
    "prefix-caching": {"enable_prefix_caching": True},
    "async-prefix-caching": {"async_scheduling": True, "enable_prefix_caching": True},
    "chunked-prefill": {"max_num_batched_tokens": 64, "max_num_seqs": 16},
    "floor": {"forecast_floor": 16},
}

EVERYWHERE = "vllm-fcfs", "amin-dynamic", "expected-volume"
PAIRS = [
    pytest.param(settings, policy, id=f"{name}-{policy}")
    for name, settings in SETTINGS.items()
    for policy in [*SERVABLE, "vllm-fcfs", "vllm-priority"]
    if policy in EVERYWHERE or name in ("sync", "async-prefix-caching")
]
"""How a step is scheduled is not the policy's: others are tried in two ways."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize(("settings", "policy"), PAIRS)
def test_the_dry_engine_conforms(
    engine_of: Callable[..., Any],
    settings: dict[str, Any],
    policy: str,
    check: Callable[[MakeEngine, str], None],
) -> None:
    """Each check of the published list, for every policy, and for every way to schedule."""
    check(lambda name: engine_of(name, **settings), policy)
