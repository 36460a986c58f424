"""Where memory is ample nobody's forecast is looked at, and no decision differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.engine.vllm.memory import Memory
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

MakeJob = Callable[..., Job]

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "async": {"async_scheduling": True},
    "chunks": {"max_num_batched_tokens": 32, "max_num_seqs": 16},
    "long-chunks": {
        "max_num_batched_tokens": 64,
        "max_num_seqs": 32,
        "long_prefill_token_threshold": 20,
    },
    "watermark": {"watermark": 0.1},
    "prefixes": {"enable_prefix_caching": True},
    "two-groups": {"kv_cache_groups": (("full", 0), ("full", 0))},
    "sliding": {"kv_cache_groups": (("full", 0), ("sliding", 24))},
}
requests = st.tuples(st.integers(1, 100), st.integers(1, 60), st.integers(0, 40))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_who_is_admitted_unseen_would_be_admitted_seen(
    engine_of: Callable[..., Any], job: MakeJob, way: dict[str, Any]
) -> None:
    """Every request ends at the very same time with the shortcut and without it."""
    is_ample = Memory._is_ample
    answers: set[bool] = set()

    def noting(self: Memory, *arguments: int) -> bool:
        answer = is_ample(self, *arguments)
        answers.add(answer)
        return answer

    def ends(rows: list[tuple[int, int, int]], shortcut: Callable[..., bool]) -> list[Any]:
        shared = tuple(range(40))
        jobs = [
            job(str(i), prompt, output, at=float(at), tokens=(shared + (i,) * 60)[:prompt])
            for i, (prompt, output, at) in enumerate(sorted(rows, key=lambda row: row[2]))
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Memory, "_is_ample", shortcut)
            engine = engine_of(
                "expected-volume", num_gpu_blocks=150, predictor="online",
                tail_promise=1.0, forecast_floor=15, **way,
            )  # fmt: skip
            records = engine.run(jobs).records
        return [(r.request_id, r.finish_time, r.num_preemptions) for r in records]

    @settings(max_examples=40, deadline=None)
    @given(st.lists(requests, min_size=1, max_size=40))
    def check(rows: list[tuple[int, int, int]]) -> None:
        assert ends(rows, noting) == ends(rows, lambda self, *arguments: False)

    check()
    ends([(9, 20, i) for i in range(30)], noting)
    assert (True in answers) == ("sliding" not in str(way))
