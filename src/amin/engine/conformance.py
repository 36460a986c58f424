"""Checks that every engine must pass, with every policy::

    from amin.engine.conformance import check_engine
    check_engine(lambda policy: MyEngine(policy, ...), "amin-static")

`make_engine` is given a policy's name and returns a fresh engine: always with the same seed, the
bound 1 for all (no predictor, no hints), a cache of some hundreds or thousands of tokens, and no
other limit that a request of the whole cache would meet. `ConformanceError` names the rule, the
policy and the request. `CHECKS` lists the checks, for a test that wants one case for each.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import NoReturn

from amin.engine.interface import Engine
from amin.errors import ConformanceError
from amin.policy.catalog import POLICIES
from amin.record import RunResult
from amin.request import Request
from amin.workload.interface import Job

MakeEngine = Callable[[str], Engine]


def random_jobs(capacity_tokens: int, *, num_requests: int, seed: int) -> list[Job]:
    """Requests of up to a quarter of the cache; with more than a few, they cannot all fit.

    Half arrive together, the others later; the last after a long pause. One is cut by max_tokens.
    """
    rng = random.Random(seed)
    largest = max(capacity_tokens // 8, 1)
    times = sorted(rng.choice((0.0, rng.uniform(0, 3))) for _ in range(num_requests - 1))
    jobs = []
    for i, time in enumerate([*times, 1000.0]):
        output = rng.choice((1, rng.randint(1, largest), rng.randint(1, largest)))
        max_tokens = max(output // 2, 1) if i == 1 else output + rng.choice((0, largest))
        prompt = rng.randint(1, largest)
        jobs.append(Job(Request(f"random-{i}", prompt, max_tokens, time), output))
    return jobs


def check_nothing_to_do(make_engine: MakeEngine, policy: str) -> None:
    """An empty workload is a run without records."""
    result = make_engine(policy).run([])
    if result.records:
        _fail("an empty workload has no records", policy, result.records[0])


def check_everyone_finishes_once(make_engine: MakeEngine, policy: str) -> None:
    """One record per job, finished, with exactly the tokens that it asked for."""
    jobs, result = _run_tight(make_engine, policy)
    _expect_served(jobs, result, policy)


def check_what_cannot_fit_is_rejected(make_engine: MakeEngine, policy: str) -> None:
    """A request larger than the cache is recorded as rejected; the others do not mind."""
    capacity = _capacity(make_engine, policy)
    jobs = random_jobs(capacity, num_requests=6, seed=1)
    too_large = [
        Job(Request("long-output", 1, 2 * capacity), 2 * capacity),
        Job(Request("long-prompt", 2 * capacity, 1), 1),
    ]
    result = make_engine(policy).run([*too_large, *jobs])
    rejected = [record for record in result.records if record.status == "rejected"]
    if {record.request_id for record in rejected} != {"long-output", "long-prompt"}:
        _fail("what exceeds the cache, and nothing else, is rejected", policy, rejected)
    result.records = [record for record in result.records if record.status != "rejected"]
    _expect_served(jobs, result, policy)


def check_memory_is_bounded(make_engine: MakeEngine, policy: str) -> None:
    """Blocks in use stay within 0 and the cache, and are not 0 while requests run."""
    _, result = _run_tight(make_engine, policy)
    if not result.samples:
        _fail("every scheduling step leaves a sample", policy, result.samples)
    for sample in result.samples:
        if not bool(sample.num_running) <= sample.num_used_blocks <= result.num_blocks:
            _fail(f"memory in use is within the {result.num_blocks} blocks", policy, sample)


def check_times_are_ordered(make_engine: MakeEngine, policy: str) -> None:
    """arrival <= first scheduled < first token <= finish; the clock never goes back."""
    jobs, result = _run_tight(make_engine, policy)
    arrivals = {job.request.request_id: job.request.arrival_time for job in jobs}
    for record in result.records:
        if record.arrival_time != arrivals[record.request_id]:
            _fail("the record has the request's arrival time", policy, record)
        if not (
            record.arrival_time <= record.first_scheduled_time < record.first_token_time
            and record.first_token_time <= record.finish_time
        ):
            _fail("arrival <= first scheduled < first token <= finish", policy, record)
        if (record.num_output_tokens == 1) != (record.first_token_time == record.finish_time):
            _fail("the first token is the last of one token only", policy, record)
    for before, after in pairwise(result.samples):
        if before.time > after.time:
            _fail("the clock never goes back", policy, (before, after))


def check_losses_add_up(make_engine: MakeEngine, policy: str) -> None:
    """Tokens are lost by preemptions only, and computed again only after they were lost."""
    _, result = _run_tight(make_engine, policy)
    for record in result.records:
        if not 0 <= record.num_recomputed_tokens <= record.num_lost_tokens:
            _fail("no more is computed again than was lost", policy, record)
        if record.num_lost_tokens and not record.num_preemptions:
            _fail("nothing is lost without a preemption", policy, record)


def check_ample_memory_never_preempts(make_engine: MakeEngine, policy: str) -> None:
    """Where all requests fit together, none is preempted and nothing is computed again.

    Policies that slice time preempt wherever they are.
    """
    if policy in POLICIES and POLICIES[policy].leaves_at_bound:
        return
    result = make_engine(policy).run([])
    jobs: list[Job] = []
    left = result.num_blocks
    for job in random_jobs(result.num_blocks * result.block_size, num_requests=30, seed=2):
        left -= -(-(job.request.num_prompt_tokens + job.num_output_tokens) // result.block_size)
        if left < 0:
            break
        jobs.append(job)
    for record in make_engine(policy).run(jobs).records:
        if record.num_preemptions or record.num_lost_tokens or record.num_recomputed_tokens:
            _fail("nothing is preempted where everything fits", policy, record)


def check_true_upper_bounds_never_preempt(make_engine: MakeEngine, policy: str) -> None:
    """A_max never preempts if max_tokens, its bound here, is never below the truth."""
    if policy != "amax":
        return
    _, result = _run_tight(make_engine, policy)
    for record in result.records:
        if record.num_preemptions:
            _fail("A_max does not preempt while its bounds hold", policy, record)


def check_same_seed_same_run(make_engine: MakeEngine, policy: str) -> None:
    """Two runs of one workload agree in every record and every sample."""
    (_, first), (_, second) = _run_tight(make_engine, policy), _run_tight(make_engine, policy)
    for name in ("records", "samples"):
        for one, other in zip(getattr(first, name), getattr(second, name), strict=True):
            # As text, since NaN differs from itself.
            if repr(asdict(one)) != repr(asdict(other)):
                _fail("equal runs are equal", policy, (one, other))


CHECKS: Sequence[Callable[[MakeEngine, str], None]] = (
    check_nothing_to_do,
    check_everyone_finishes_once,
    check_what_cannot_fit_is_rejected,
    check_memory_is_bounded,
    check_times_are_ordered,
    check_losses_add_up,
    check_ample_memory_never_preempts,
    check_true_upper_bounds_never_preempt,
    check_same_seed_same_run,
)


def check_engine(make_engine: MakeEngine, policy: str) -> None:
    """All of `CHECKS` with one policy; raises `ConformanceError` at the first that fails."""
    for check in CHECKS:
        check(make_engine, policy)


def _capacity(make_engine: MakeEngine, policy: str) -> int:
    result = make_engine(policy).run([])
    return result.num_blocks * result.block_size


def _run_tight(make_engine: MakeEngine, policy: str) -> tuple[list[Job], RunResult]:
    jobs = random_jobs(_capacity(make_engine, policy), num_requests=30, seed=0)
    return jobs, make_engine(policy).run(jobs)


def _expect_served(jobs: Sequence[Job], result: RunResult, policy: str) -> None:
    expected = {
        job.request.request_id: (
            "finished",
            job.request.num_prompt_tokens,
            min(job.num_output_tokens, job.request.max_tokens),
        )
        for job in jobs
    }
    ids = [record.request_id for record in result.records]
    if sorted(ids) != sorted(expected):
        _fail("every request has exactly one record", policy, sorted(ids))
    for record in result.records:
        seen = (record.status, record.num_prompt_tokens, record.num_output_tokens)
        if seen != expected[record.request_id]:
            what = f"every request finishes with its tokens, here {expected[record.request_id]}"
            _fail(what, policy, record)


def _fail(rule: str, policy: str, got: object) -> NoReturn:
    raise ConformanceError(f"engine with policy {policy!r}: {rule}; got {got}")
