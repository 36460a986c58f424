"""What must hold in every run of every policy, on random workloads."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.policy.catalog import SERVABLE
from amin.record import RunResult
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

Row = tuple[int, int, int, int, int]
"""(prompt, output, arrival, how far the lower bound misses, how far the upper bound does)"""

rows = st.lists(
    st.tuples(
        st.integers(1, 40), st.integers(1, 60), st.integers(0, 20),
        st.integers(-50, 50), st.integers(-50, 50),
    ),
    min_size=1, max_size=25,
)  # fmt: skip
WAYS = {"sync": {}, "async": {"async_scheduling": True}}
MakeJob = Callable[..., Job]
MakeEngine = Callable[..., Any]


def _ended(result: RunResult) -> dict[str, tuple[float, int, int]]:
    return {
        r.request_id: (r.finish_time, r.num_output_tokens, r.num_preemptions)
        for r in result.records
    }


def _num_preemptions(result: RunResult) -> int:
    return sum(record.num_preemptions for record in result.records)


def _jobs(
    make_job: MakeJob, table: list[Row], predict: Callable[[Row], tuple[int, int]]
) -> list[Job]:
    """The jobs of the table, each with the interval that `predict` gives."""
    jobs = []
    for i, row in enumerate(sorted(table, key=lambda row: row[2])):
        lower, upper = predict(row)
        prompt, output, at, *_ = row
        jobs.append(make_job(str(i), prompt, output, at=float(at), lower=lower, upper=upper))
    return jobs


def _wrong(row: Row) -> tuple[int, int]:
    _, output, _, below, above = row
    lower, upper = max(output + below, 1), max(output + above, 1)
    return min(lower, upper), max(lower, upper)


@pytest.mark.parametrize("policy", SERVABLE)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_everyone_finishes_once_within_memory(
    engine_of: MakeEngine, job: MakeJob, policy: str, way: dict[str, Any]
) -> None:
    """Whatever was predicted: one record each, all tokens, memory never above the cache."""

    @settings(max_examples=15, deadline=None)
    @given(rows, st.sampled_from([1, 16]))
    def check(table: list[Row], floor: int) -> None:
        jobs = _jobs(job, table, _wrong)
        engine = engine_of(
            policy, num_gpu_blocks=27, client_hints=True, forecast_floor=floor, **way
        )
        result = engine.run(jobs)
        ended = Counter((r.request_id, r.num_output_tokens, r.status) for r in result.records)
        assert ended == Counter(
            (j.request.request_id, j.num_output_tokens, "finished") for j in jobs
        )
        assert max(sample.num_used_blocks for sample in result.samples) <= 26

    check()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_amax_never_preempts_while_its_bounds_hold(
    engine_of: MakeEngine, job: MakeJob, way: dict[str, Any]
) -> None:
    """With upper bounds at or above the truth, to the block and to the step."""

    @settings(max_examples=60, deadline=None)
    @given(rows)
    def check(table: list[Row]) -> None:
        jobs = _jobs(job, table, lambda row: (1, row[1] + abs(row[4]) // 3))
        result = engine_of("amax", num_gpu_blocks=41, client_hints=True, **way).run(jobs)
        assert _num_preemptions(result) == 0

    check()


@pytest.mark.parametrize("policy", ["amin-static", "amin-dynamic"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_amin_is_amax_where_the_prediction_is_exact(
    engine_of: MakeEngine, job: MakeJob, policy: str, way: dict[str, Any]
) -> None:
    """lower = upper = truth: the same times for everyone, and nobody is preempted."""

    @settings(max_examples=40, deadline=None)
    @given(rows)
    def check(table: list[Row]) -> None:
        jobs = _jobs(job, table, lambda row: (row[1], row[1]))
        amin, amax = (
            engine_of(name, num_gpu_blocks=41, client_hints=True, **way).run(jobs)
            for name in (policy, "amax")
        )
        assert _ended(amin) == _ended(amax)
        assert _num_preemptions(amin) == 0

    check()


@pytest.mark.parametrize("policy", ["amin-static", "amin-dynamic"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_amin_does_not_depend_on_upper_bounds(
    engine_of: MakeEngine, job: MakeJob, policy: str, way: dict[str, Any]
) -> None:
    """Any upper ends, true or not, give the same run."""

    @settings(max_examples=25, deadline=None)
    @given(rows)
    def check(table: list[Row]) -> None:
        ended = []
        predictions: list[Callable[[Row], tuple[int, int]]] = [
            _wrong,
            lambda row: (_wrong(row)[0], 900),
        ]
        for predict in predictions:
            jobs = _jobs(job, table, predict)
            engine = engine_of(policy, num_gpu_blocks=31, client_hints=True, **way)
            ended.append(_ended(engine.run(jobs)))
        assert ended[0] == ended[1]

    check()


@pytest.mark.parametrize("policy", SERVABLE)
def test_with_ample_memory_everyone_takes_as_long_as_alone(
    engine_of: MakeEngine, job: MakeJob, policy: str
) -> None:
    """No preemption, no waiting: latency is the output's length in steps, whatever the policy."""

    @settings(max_examples=10, deadline=None)
    @given(rows)
    def check(table: list[Row]) -> None:
        jobs = _jobs(job, table, _wrong)
        # Lower bounds miss by 50 at most, upper bounds too: 25 x (40 + 110) tokens.
        result = engine_of(policy, num_gpu_blocks=1000, client_hints=True).run(jobs)
        for record in result.records:
            assert record.num_preemptions == 0
            assert record.e2e_latency == record.num_output_tokens

    check()


@pytest.mark.parametrize("policy", SERVABLE)
def test_equal_seeds_give_equal_runs(engine_of: MakeEngine, job: MakeJob, policy: str) -> None:
    """Also where ties are broken at random."""

    @settings(max_examples=8, deadline=None)
    @given(rows, st.integers(0, 3))
    def check(table: list[Row], seed: int) -> None:
        jobs = _jobs(job, table, lambda row: (1, 500))
        runs = [engine_of(policy, num_gpu_blocks=27, seed=seed).run(jobs) for _ in range(2)]
        assert _ended(runs[0]) == _ended(runs[1])
        assert runs[0].samples == runs[1].samples

    check()


def test_the_seed_breaks_ties(engine_of: MakeEngine, job: MakeJob) -> None:
    """Requests that are all alike are preempted in an order that depends on the seed."""
    jobs = [job(str(i), 4, 40) for i in range(12)]
    engines = [engine_of("amin-static", num_gpu_blocks=27, seed=seed) for seed in range(5)]
    orders = {tuple(r.num_preemptions for r in engine.run(jobs).records) for engine in engines}
    assert len(orders) > 1


@pytest.mark.parametrize("policy", ["amin-static", "amin-dynamic", "amax", "fcfs", "retract"])
def test_there_is_something_to_test(engine_of: MakeEngine, job: MakeJob, policy: str) -> None:
    """Such workloads do preempt (A_max where its bounds are too low)."""
    jobs = [job(str(i), 5 + i, 40, lower=2, upper=9) for i in range(15)]
    result = engine_of(policy, num_gpu_blocks=27, client_hints=True).run(jobs)
    assert _num_preemptions(result) > 0
