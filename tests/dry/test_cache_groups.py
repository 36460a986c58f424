"""Models with several KV cache groups: full attention beside sliding windows or chunks."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amin.engine.vllm.dry_config import DryConfig
from amin.errors import ConfigError
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

MakeJob = Callable[..., Job]
MakeStepper = Callable[..., Any]

GROUPS = {
    "two-full": (("full", 0), ("full", 0)),
    "sliding": (("full", 0), ("sliding", 24)),
    "sliding-first": (("sliding", 10), ("full", 0)),
    "chunked": (("full", 0), ("chunked", 16)),
    "three": (("full", 0), ("sliding", 7), ("chunked", 12)),
    "no-full": (("sliding", 24),),
}
WAYS = {
    "sync": {},
    "async": {"async_scheduling": True},
    "chunks": {"max_num_batched_tokens": 32, "max_num_seqs": 16},
    "async-chunks": {"max_num_batched_tokens": 32, "max_num_seqs": 16, "async_scheduling": True},
}
# The window of the prompt of 44 tokens moves on a step late: its prompt is computed in chunks, and
# the last of them is still in flight when the one of 25 tokens asks to be admitted.
LATE_WINDOW = [
    (2, 3, 16), (4, 17, 1), (10, 19, 0), (1, 17, 1), (25, 1, 17), (28, 1, 1), (44, 3, 16),
    (65, 12, 3), (82, 17, 1),
]  # fmt: skip
requests = st.tuples(st.integers(1, 100), st.integers(1, 60), st.integers(0, 20))


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_amax_never_preempts_while_its_bounds_hold(
    engine_of: Callable[..., Any],
    job: MakeJob,
    groups: tuple[tuple[str, int], ...],
    way: dict[str, Any],
) -> None:
    """Whatever the groups, and however many steps a prompt takes."""

    @settings(max_examples=12, deadline=None)
    @given(st.lists(requests, min_size=1, max_size=25))
    @example(LATE_WINDOW)
    def check(rows: list[tuple[int, int, int]]) -> None:
        jobs = [
            job(str(i), prompt, output, at=float(at), upper=output)
            for i, (prompt, output, at) in enumerate(sorted(rows, key=lambda row: row[2]))
        ]
        engine = engine_of(
            "amax", num_gpu_blocks=122, client_hints=True, kv_cache_groups=groups, **way
        )
        records = engine.run(jobs).records
        assert sum(record.num_preemptions for record in records) == 0
        assert {record.status for record in records} == {"finished"}

    check()


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_optimism_does_preempt_there(
    engine_of: Callable[..., Any], job: MakeJob, groups: tuple[tuple[str, int], ...]
) -> None:
    """The memory is tight enough for the bound to matter, and everyone finishes all the same."""
    jobs = [job(str(i), 4, 40, upper=40) for i in range(25)]
    engine = engine_of("amin-static", num_gpu_blocks=122, kv_cache_groups=groups)
    records = engine.run(jobs).records
    assert sum(record.num_preemptions for record in records) > 0
    assert {record.num_output_tokens for record in records} == {40}


@pytest.mark.parametrize(
    ("groups", "num_admitted"),
    [
        # 20 blocks of 4. A prompt of 4 and 13 tokens end at 16 tokens: 4 blocks in each group.
        ((("full", 0),), 5),
        ((("full", 0), ("full", 0)), 2),
        # A window of 4 keeps 2 blocks at most while decoding, but is counted as while computing:
        # no more than the 5 blocks of all 17 tokens. 4 + 5 = 9 blocks.
        ((("full", 0), ("sliding", 4)), 2),
    ],
)
def test_every_group_is_counted(
    stepper: MakeStepper,
    job: MakeJob,
    groups: tuple[tuple[str, int], ...],
    num_admitted: int,
) -> None:
    """Of 20 equal requests in 20 blocks so many are forecast to fit."""
    run = stepper("amin-static", num_gpu_blocks=21, predictor="constant:13", kv_cache_groups=groups)
    run.add(*(job(str(i), 4, 13) for i in range(20)))
    run.step()
    assert len(run.running) == num_admitted


def test_a_window_is_counted_as_small_once_the_prompt_is_computed(
    stepper: MakeStepper, job: MakeJob
) -> None:
    """A long prompt under a window of 4 holds 2 blocks of its group, and lets another one in.

    Blocks of 4. The first ends with 49 tokens: 13 blocks, and 2 in the window. The second then has
    48 tokens, 12 blocks, and is counted with 13 more in the window: 40 in all. Were the first still
    counted as computing, it would be 51.
    """
    for num_blocks, is_admitted in ((40, True), (39, False)):
        run = stepper(
            "amin-static", num_gpu_blocks=num_blocks + 1, predictor="constant:10",
            kv_cache_groups=(("full", 0), ("sliding", 4)),
        )  # fmt: skip
        run.add(job("first", 40, 10))
        run.step()
        run.add(job("second", 40, 10))
        run.step()
        assert ("second" in run.running) == is_admitted


@pytest.mark.parametrize("group", [("windowed", 8), ("sliding", 0), ("chunked", -1)])
def test_refuses_other_groups(group: tuple[str, int]) -> None:
    """A kind that there is not, or a window of nothing: field, value, what is allowed."""
    with pytest.raises(ConfigError, match=r"kv_cache_groups: got .*, allowed: \('full', 0\)"):
        DryConfig(kv_cache_groups=(group,))
