"""Clients hang up at any moment, and nothing of their requests is left."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.engine.vllm import seam
from amin.policy.catalog import SERVABLE
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

MakeJob = Callable[..., Job]
MakeStepper = Callable[..., Any]


def test_abort_while_waiting(stepper: MakeStepper, job: MakeJob) -> None:
    """It leaves the queue; the next in order takes its turn."""
    run = stepper("amax", num_gpu_blocks=11)
    run.add(*(job(name, 4, 5, max_tokens=30) for name in "abc"))
    run.step()
    assert (run.running, run.waiting) == (["a"], ["b", "c"])
    run.abort("b")
    assert run.waiting == ["c"]
    run.finish()
    run.assert_nothing_leaked()


def test_abort_while_running(stepper: MakeStepper, job: MakeJob) -> None:
    """Its memory is free at once, and the one that waited for it is admitted."""
    run = stepper("amax", num_gpu_blocks=11)
    run.add(*(job(name, 4, 50, max_tokens=30) for name in "ab"))
    run.step(3)
    run.abort("a")
    assert seam.num_free_blocks(run.scheduler) == 10
    run.step()
    assert run.running == ["b"]
    run.finish()
    run.assert_nothing_leaked()


def test_abort_while_preempted(stepper: MakeStepper, job: MakeJob) -> None:
    """It waits with tokens made and no memory; what it leaves behind is nothing."""
    run = stepper("fcfs", num_gpu_blocks=11)
    run.add(*(job(name, 16, 20) for name in "ab"))
    run.step(6)
    assert (run.preempted, run.waiting) == (["b"], ["b"])
    run.abort("b")
    assert run.waiting == []
    run.finish()
    run.assert_nothing_leaked()


@pytest.mark.parametrize(
    ("stop", "num_steps", "is_cut"), [([], 5, True), (["END"], 5, False), (["END"], 0, True)]
)
def test_a_reply_that_found_its_stop_string_was_not_cut(
    stepper: MakeStepper, job: MakeJob, stop: list[str], num_steps: int, is_cut: bool
) -> None:
    """vLLM aborts it then: an abort of one that has stop strings, once it has made tokens."""
    run = stepper()
    run.add(job("a", 4, 50))
    request = run.scheduler.requests["a"]
    request.sampling_params.stop = stop
    run.step(num_steps)
    run.abort("a")
    assert request.status == seam.RequestStatus.FINISHED_ABORTED
    assert seam.was_cut(request) == is_cut


def test_abort_before_the_first_step_and_twice(stepper: MakeStepper, job: MakeJob) -> None:
    """An abort of a request that never ran, of one that is gone, and of an unknown one."""
    run = stepper()
    run.add(job("a", 4, 5))
    run.abort("a", "unknown")
    run.abort("a")
    run.step()
    run.assert_nothing_leaked()


def test_an_id_can_come_back(stepper: MakeStepper, job: MakeJob) -> None:
    """After an abort the same id is a new request, with a prediction of its own."""
    run = stepper(client_hints=True)
    run.add(job("a", 4, 5, lower=9))
    run.step(2)
    run.abort("a")
    run.add(job("a", 4, 5, lower=3))
    assert run.scheduler.amin.ledger.view("a").bound == 3
    run.finish()
    run.assert_nothing_leaked()


@pytest.mark.parametrize("policy", SERVABLE)
@pytest.mark.parametrize("is_async", [False, True])
def test_nothing_leaks_whenever_clients_hang_up(
    stepper: MakeStepper, job: MakeJob, policy: str, is_async: bool
) -> None:
    """Random arrivals and aborts under pressure, waiting, running or preempted: all is freed."""

    @settings(max_examples=8, deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(1, 30), st.integers(1, 40), st.integers(0, 4)),
            min_size=5,
            max_size=20,
        ),
        st.lists(st.tuples(st.integers(0, 19), st.integers(0, 6)), max_size=15),
        st.booleans(),
        st.sampled_from([None, 0.0, 0.5]),
    )
    def check(
        arrivals: list[tuple[int, int, int]],
        aborts: list[tuple[int, int]],
        caching: bool,
        promise: float | None,
    ) -> None:
        run = stepper(
            policy,
            num_gpu_blocks=21,
            predictor="constant:4",
            tail_promise=promise,
            async_scheduling=is_async,
            enable_prefix_caching=caching,
        )
        pending = list(aborts)
        for i, (prompt, output, pause) in enumerate(arrivals):
            run.add(job(str(i), prompt, output))
            run.step(pause)
            if pending:
                target, pause = pending.pop()
                run.abort(str(target))
                run.step(pause)
        for target, pause in pending:
            run.abort(str(target))
            run.step(pause)
        run.finish(max_steps=3000)
        run.assert_nothing_leaked()

    check()


def test_all_at_once(stepper: MakeStepper, job: MakeJob) -> None:
    """A shutdown aborts whatever there is."""
    run = stepper("amin-dynamic", num_gpu_blocks=21)
    run.add(*(job(str(i), 6, 40) for i in range(20)))
    run.step(15)
    run.scheduler.finish_requests(None, seam.RequestStatus.FINISHED_ABORTED)
    run.step()
    run.assert_nothing_leaked()
