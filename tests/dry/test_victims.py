"""Who leaves when memory runs out: one hand-made overflow, seen by every policy."""

from collections.abc import Callable
from typing import Any

import pytest
from vllm.v1.core.sched.interface import PauseState

from amin.workload.interface import Job

pytestmark = pytest.mark.dry

MakeJob = Callable[..., Job]
MakeStepper = Callable[..., Any]


@pytest.mark.parametrize(
    ("policy", "victim"),
    [
        ("amin-static", "a"),  # bounds 2, 3, 6
        ("amin-dynamic", "b"),  # max(bound, made): 7, 5, 6
        ("amax", "c"),  # the last admitted: upper bounds 2, 3, 6, all too low
        ("fcfs", "c"),  # the last admitted
        ("priority", "a"),  # priorities 2, 1, 0
        ("least-computed-first", "a"),  # tokens in memory: 10, 24, 16
        ("retract", "b"),  # tokens made: 7, 5, 5; prompts 4, 20, 12
    ],
)
def test_the_victim_is_the_policys_choice(
    stepper: MakeStepper, job: MakeJob, policy: str, victim: str
) -> None:
    """Blocks of 4, 14 of them; a arrives in step 1, b and c in step 3.

    Blocks held at the end of step 3: a 2 (6 tokens), b 5 (20), c 3 (12). Step 7: a 3 (10), b 6
    (24), c 4 (16). In step 8, b and c need one more each: 15. Whoever leaves frees enough.
    """
    run = stepper(policy, num_gpu_blocks=15, client_hints=True)
    run.add(job("a", 4, 30, lower=2, upper=2, priority=2))
    run.step(2)
    run.add(job("b", 20, 30, lower=3, upper=3, priority=1))
    run.add(job("c", 12, 30, lower=6, upper=6, priority=0))
    run.step(5)
    assert sorted(run.running) == ["a", "b", "c"]
    assert run.preempted == []
    run.step()
    assert run.preempted == [victim]
    assert sorted(run.running) == sorted({"a", "b", "c"} - {victim})


def test_the_bound_of_the_victim_is_what_it_had_made(stepper: MakeStepper, job: MakeJob) -> None:
    """A_min learns from the preemption: the victim waits with a bound of 7, not of 2."""
    run = stepper("amin-static", num_gpu_blocks=15, client_hints=True)
    run.add(job("a", 4, 30, lower=2))
    run.step(2)
    run.add(job("b", 20, 30, lower=3), job("c", 12, 30, lower=6))
    run.step(6)
    assert run.preempted == ["a"]
    view = run.scheduler.amin.ledger.view("a")
    assert (view.bound, view.num_output_tokens, view.num_preemptions) == (7, 7, 1)
    assert view.admission_index == -1


def test_as_many_leave_as_must_and_no_more(stepper: MakeStepper, job: MakeJob) -> None:
    """Eight equal requests hold 2 of 16 blocks each; one step more asks for 8: three leave.

    Two that leave free 4 blocks for the other six; three free 6 for the other five.
    """
    run = stepper("amin-static", num_gpu_blocks=17, seed=1)
    run.add(*(job(str(i), 4, 30) for i in range(8)))
    run.step(5)
    assert (len(run.running), run.preempted) == (8, [])
    run.step()
    assert (len(run.running), len(run.preempted)) == (5, 3)


def test_victims_leave_in_the_policys_order(stepper: MakeStepper, job: MakeJob) -> None:
    """Where several leave in one step, the smallest key leaves first, wherever it stands.

    24 blocks. Step 5 holds 2, 5, 3, 5, 4, 5 of them, step 6 asks for one more each: 30. Without
    the smallest it is 27, without the next smallest 23.
    """
    run = stepper("least-computed-first", num_gpu_blocks=25)
    run.add(*(job(str(i), prompt, 30) for i, prompt in enumerate((4, 16, 8, 16, 12, 16))))
    run.step(5)
    assert run.preempted == []
    run.step()
    assert run.preempted == ["0", "2"]
    assert run.running == ["1", "3", "4", "5"]


def test_nobody_leaves_while_memory_lasts(stepper: MakeStepper, job: MakeJob) -> None:
    """A cache that is full to the last block preempts nobody."""
    run = stepper("fcfs", num_gpu_blocks=17)
    run.add(*(job(str(i), 4, 5) for i in range(8)))
    run.finish()
    assert run.preempted == []


def test_nobody_makes_way_while_the_server_is_paused(
    stepper: MakeStepper, job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom room is made for could not be admitted; when it goes on, one leaves for it."""
    run = stepper("expected-volume", num_gpu_blocks=15, stream_promise=10.0)
    run.add(job("a", 16, 30), job("b", 44, 10))
    run.step(2)
    waiting = run.scheduler.requests["b"]
    assert sorted(run.running) == ["a"]
    monkeypatch.setattr(run.scheduler.amin.streams, "about_to_wait", lambda: waiting)
    monkeypatch.setattr(run.scheduler.amin.streams, "who_makes_way", lambda *given: [0])
    run.scheduler.set_pause_state(PauseState.PAUSED_ALL)
    run.step()
    assert run.preempted == []
    run.scheduler.set_pause_state(PauseState.UNPAUSED)
    run.step()
    assert run.preempted == ["a"]
