"""What the prefix cache holds of prompts that wait is found as vLLM finds it, and counted."""

from __future__ import annotations

from typing import Any

import pytest

from amin.engine.settings import LOOKUPS_PER_STEP
from amin.engine.vllm import dry, seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.dry_config import DryConfig
from amin.request import Request
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

SHARED = tuple(range(1000, 1064))


def _engine(**shape: Any) -> dry.DryEngine:
    shape = {"num_gpu_blocks": 65, "block_size": 4, "max_num_seqs": 2} | shape
    return dry.DryEngine(DryConfig(enable_prefix_caching=True, **shape), AminConfig())


def _submit(engine: dry.DryEngine, name: str, prompt: tuple[int, ...], output: int = 40) -> Any:
    engine.submit(Job(Request(name, len(prompt), 100, prompt_token_ids=prompt), output))
    return engine.scheduler.requests[name]


def _step(engine: dry.DryEngine) -> None:
    output = engine.schedule()
    engine.finish_step(
        output, engine.emitting(output), dict.fromkeys(output.num_scheduled_tokens, 40)
    )


GROUPS = {
    "full": {},
    "and a window": {"kv_cache_groups": (("full", 0), ("sliding", 16))},
}


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_what_is_found_is_what_vllm_finds(groups: dict[str, Any]) -> None:
    """Of prompts that share all, some or nothing with one that was computed, as many tokens."""
    engine = _engine(**groups)
    _submit(engine, "first", (*SHARED, 1, 2, 3))
    _step(engine)
    look_up = seam.prefix_lookup(engine.scheduler)
    found = set()
    for number, shared in enumerate((0, 3, 4, 31, 32, 63, 64)):
        own = tuple(range(5000 + 100 * number, 5040 + 100 * number))
        request = engine.model.request_of(
            Job(Request(f"r{number}", shared + 40, 9, prompt_token_ids=SHARED[:shared] + own), 9)
        )
        expected = engine.scheduler.kv_cache_manager.get_computed_blocks(request)[1]
        assert look_up(request) == expected
        found.add(expected)
    assert len(found) > 2


def test_a_prefix_is_free_once_somebody_has_computed_it() -> None:
    """Requests that wait learn, in turn, that another has computed what they share with it, and
    that it is gone again; the policy sees it, and of two alike the one behind it goes first."""
    engine = _engine(max_num_seqs=1)
    _submit(engine, "first", (*SHARED, 1))
    others = [_submit(engine, f"o{i}", (*SHARED, 10 + i)) for i in range(LOOKUPS_PER_STEP + 3)]
    plain = _submit(engine, "plain", tuple(range(7000, 7065)))
    ledger = engine.scheduler.amin.ledger

    def num_cached(request: Any) -> int:
        return int(ledger.view(request.request_id).num_cached_tokens)

    assert {num_cached(request) for request in others} == {0}
    _step(engine)
    _step(engine)
    # So many are looked up in a step, and the rest in the next.
    assert 0 < sum(num_cached(request) == 64 for request in others) <= LOOKUPS_PER_STEP
    _step(engine)
    _step(engine)
    assert {num_cached(request) for request in others} == {64}
    assert num_cached(plain) == 0
    keys = [engine.scheduler.amin.key(request)[1] for request in (others[0], plain)]
    assert keys[0] < keys[1] / 2
    engine.scheduler.finish_requests("first", seam.RequestStatus.FINISHED_ABORTED)
    engine.scheduler.reset_prefix_cache()
    for _ in range(3):
        engine.scheduler.amin.looked_up()
    assert {num_cached(request) for request in others} == {0}


def test_the_books_count_what_is_not_cached() -> None:
    """What a newcomer finds before it is smaller by what those who wait find in the cache."""
    backlogs = []
    for shared in (True, False):
        engine = _engine(num_gpu_blocks=2000, max_num_seqs=64)
        long = tuple(range(10_000, 12_000))
        prompt = long if shared else tuple(range(20_000, 22_000))
        _submit(engine, "first", (*long, 1, 2, 3))
        _step(engine)
        for i in range(4):
            _submit(engine, f"o{i}", (*prompt, 10 + i))
        backlogs.append(engine.scheduler.amin.guard._waiting_work)
    assert backlogs[0] < 0.6 * backlogs[1]
