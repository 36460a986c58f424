"""Requests whose grammar is compiled are forecast like any other; others are skipped past."""

# ruff: noqa: D102
from collections.abc import Callable
from typing import Any

import pytest
from vllm.sampling_params import StructuredOutputsParams

from amin.engine.vllm import seam
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

MakeJob = Callable[..., Job]
MakeStepper = Callable[..., Any]


class Grammar:
    """A grammar that accepts anything."""

    def accept_tokens(self, request_id: str, tokens: list[int]) -> bool:
        return True

    def is_terminated(self) -> bool:
        return False


def _add(run: Any, job: Job, grammar: Any) -> Any:
    """The job arrives with a constraint whose grammar is in that state."""
    run.lengths[job.request.request_id] = job.num_output_tokens
    made = run.engine.model.request_of(job)
    params = made.sampling_params
    params.structured_outputs = StructuredOutputsParams(regex="[ab]*")
    request = seam.Request(
        made.request_id, made.prompt_token_ids, params, None, arrival_time=made.arrival_time
    )
    request.structured_output_request._grammar = grammar
    run.scheduler.add_request(request)
    return request


@pytest.mark.parametrize("is_async", [False, True])
def test_they_are_admitted_as_plain_requests_are(
    stepper: MakeStepper, job: MakeJob, is_async: bool
) -> None:
    """A_max, 10 blocks, 4 for each in the end: two run at a time, and nobody is preempted."""
    running = []
    for is_structured in (False, True):
        run = stepper("amax", num_gpu_blocks=11, client_hints=True, async_scheduling=is_async)
        for i in range(8):
            one = job(str(i), 4, 12, upper=12)
            if is_structured:
                _add(run, one, Grammar())
            else:
                run.add(one)
        run.step()
        running.append(len(run.running))
        run.finish()
        assert run.preempted == []
    assert running == [2, 2]


@pytest.mark.parametrize("grammar", [None, ValueError("no such regex")])
def test_one_whose_grammar_is_not_there_is_skipped(
    stepper: MakeStepper, job: MakeJob, grammar: Any
) -> None:
    """It would not fit, and yet those behind it run: what holds it back is not memory."""
    run = stepper("amin-static", num_gpu_blocks=11, client_hints=True)
    run.add(job("runs", 4, 30, lower=1))
    run.step()
    _add(run, job("blocked", 36, 3, lower=2), grammar)
    run.add(job("behind", 4, 3, lower=3))
    run.step()
    assert run.running == ["runs", "behind"]


def test_one_whose_grammar_comes_takes_its_turn(stepper: MakeStepper, job: MakeJob) -> None:
    """It is asked about anew in each step."""
    run = stepper("amin-static", num_gpu_blocks=11, client_hints=True)
    run.add(job("runs", 4, 30, lower=1))
    blocked = _add(run, job("blocked", 4, 3, lower=2), None)
    run.step()
    assert run.running == ["runs"]
    blocked.structured_output_request._grammar = Grammar()
    run.step()
    assert run.running == ["runs", "blocked"]


def test_a_predictor_is_told(stepper: MakeStepper, job: MakeJob) -> None:
    """`Sampling.is_structured` says that a grammar limits the reply."""
    run = stepper()
    request = _add(run, job("a", 4, 3), Grammar())
    assert seam.sampling(request).is_structured
