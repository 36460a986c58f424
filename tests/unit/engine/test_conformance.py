import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import pytest

from amin.engine import conformance
from amin.engine.conformance import CHECKS, check_engine, random_jobs
from amin.errors import ConformanceError
from amin.record import RequestRecord, RunResult, StepSample
from amin.workload.interface import Job

NUM_BLOCKS, BLOCK_SIZE = 20, 10


class OneByOne:
    """The simplest engine there is: a request at a time, a second per token."""

    def __init__(self, policy: str) -> None:
        self.name = policy

    def run(self, jobs: Sequence[Job]) -> RunResult:
        """Serve them in the order of arrival."""
        clock = 0.0
        result = RunResult(self.name, "one-by-one", 0, NUM_BLOCKS, BLOCK_SIZE, [])
        for job in jobs:
            request = job.request
            length = min(job.num_output_tokens, request.max_tokens)
            record = RequestRecord(
                request.request_id, request.arrival_time, request.num_prompt_tokens, 1, length
            )
            result.records.append(record)
            if request.num_prompt_tokens + length > NUM_BLOCKS * BLOCK_SIZE:
                record.status = "rejected"
                continue
            record.first_scheduled_time = clock = max(clock, request.arrival_time)
            record.first_token_time = clock + 1
            record.finish_time = clock + length
            record.num_output_tokens = length
            record.status = "finished"
            used = math.ceil((request.num_prompt_tokens + length) / BLOCK_SIZE)
            result.samples.append(StepSample(clock, used, 1, 0))
            clock = record.finish_time
        return result


@pytest.mark.parametrize("policy", ["fcfs", "amax"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_correct_engine_conforms(
    check: Callable[[conformance.MakeEngine, str], None], policy: str
) -> None:
    """Each check of the published list, on an engine that is right by its simplicity."""
    check(OneByOne, policy)


def _drop_last(result: RunResult) -> None:
    del result.records[-1:]


def _twice(result: RunResult) -> None:
    result.records += result.records[:1]


def _one_short(result: RunResult) -> None:
    for record in result.records[3:4]:
        record.num_output_tokens -= 1


def _aborted(result: RunResult) -> None:
    for record in result.records[3:4]:
        record.status = "aborted"


def _nothing_rejected(result: RunResult) -> None:
    result.records = [record for record in result.records if record.status != "rejected"]


def _overfull(result: RunResult) -> None:
    result.samples = [replace(s, num_used_blocks=NUM_BLOCKS + 1) for s in result.samples]


def _no_memory(result: RunResult) -> None:
    result.samples = [replace(s, num_used_blocks=0) for s in result.samples]


def _no_samples(result: RunResult) -> None:
    result.samples = []


def _before_arrival(result: RunResult) -> None:
    for record in result.records[-1:]:
        record.first_scheduled_time = record.arrival_time - 1


def _other_arrival(result: RunResult) -> None:
    for record in result.records[-1:]:
        record.arrival_time -= 1


def _late_first_token(result: RunResult) -> None:
    for record in result.records:
        record.first_token_time = record.finish_time


def _back_in_time(result: RunResult) -> None:
    result.samples.reverse()


def _recomputed_for_nothing(result: RunResult) -> None:
    for record in result.records[:1]:
        record.num_recomputed_tokens = 1


def _lost_for_nothing(result: RunResult) -> None:
    for record in result.records[:1]:
        record.num_lost_tokens = 1


def _preempted(result: RunResult) -> None:
    for record in result.records[:1]:
        record.num_preemptions = record.num_lost_tokens = 1


_calls = count()


def _differs(result: RunResult) -> None:
    for record in result.records[:1]:
        record.first_scheduled_time -= random.Random(next(_calls)).random() * 1e-9


def _invents(result: RunResult) -> None:
    if not result.records:
        result.records.append(RequestRecord("ghost", 0.0, 1, 1, 1))


@pytest.mark.parametrize(
    ("spoil", "check", "rule"),
    [
        (_invents, conformance.check_nothing_to_do, "an empty workload has no records"),
        (_drop_last, conformance.check_everyone_finishes_once, "exactly one record"),
        (_twice, conformance.check_everyone_finishes_once, "exactly one record"),
        (_one_short, conformance.check_everyone_finishes_once, "finishes with its tokens"),
        (_aborted, conformance.check_everyone_finishes_once, "finishes with its tokens"),
        (_nothing_rejected, conformance.check_what_cannot_fit_is_rejected, "is rejected"),
        (_overfull, conformance.check_memory_is_bounded, "within the 20 blocks"),
        (_no_memory, conformance.check_memory_is_bounded, "within the 20 blocks"),
        (_no_samples, conformance.check_memory_is_bounded, "leaves a sample"),
        (_before_arrival, conformance.check_times_are_ordered, "arrival <= first scheduled"),
        (_other_arrival, conformance.check_times_are_ordered, "the request's arrival time"),
        (_late_first_token, conformance.check_times_are_ordered, "of one token only"),
        (_back_in_time, conformance.check_times_are_ordered, "the clock never goes back"),
        (_recomputed_for_nothing, conformance.check_losses_add_up, "no more is computed again"),
        (_lost_for_nothing, conformance.check_losses_add_up, "without a preemption"),
        (_preempted, conformance.check_ample_memory_never_preempts, "where everything fits"),
        (_preempted, conformance.check_true_upper_bounds_never_preempt, "A_max does not preempt"),
        (_differs, conformance.check_same_seed_same_run, "equal runs are equal"),
    ],
)
def test_a_broken_engine_is_found(
    spoil: Callable[[RunResult], None],
    check: Callable[[conformance.MakeEngine, str], None],
    rule: str,
) -> None:
    """Each breach of the contract is found by the check for it, and the rule is named."""

    class Broken(OneByOne):
        def run(self, jobs: Sequence[Job]) -> RunResult:
            """A good run with one thing wrong."""
            result = super().run(jobs)
            spoil(result)
            return result

    with pytest.raises(ConformanceError, match=f"policy 'amax': .*{rule}"):
        check(Broken, "amax")
    with pytest.raises(ConformanceError):
        check_engine(Broken, "amax")


def test_the_random_workload_has_every_case() -> None:
    """Together too large for the cache; one token; a cut by max_tokens; gaps; equal arrivals."""
    jobs = random_jobs(200, num_requests=30, seed=0)
    assert sum(job.request.num_prompt_tokens + job.num_output_tokens for job in jobs) > 2 * 200
    assert any(job.num_output_tokens == 1 for job in jobs)
    assert any(job.num_output_tokens > job.request.max_tokens for job in jobs)
    assert len({job.request.arrival_time for job in jobs}) < len(jobs) - 5
    assert jobs == random_jobs(200, num_requests=30, seed=0)


def test_every_check_is_listed() -> None:
    """No check of the module is missing from `CHECKS`."""
    functions = {n for n in vars(conformance) if n.startswith("check_")} - {"check_engine"}
    assert functions == {check.__name__ for check in CHECKS}
