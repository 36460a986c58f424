"""Whatever amin's own code raises, the server goes on: as vLLM would without amin.

Every method of `Decisions` that vLLM's loop reaches is made to raise in turn.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.dry.simulated import everything_decided

from amin.engine.boundary import FAULTS_TO_GIVE_UP
from amin.engine.vllm import seam
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.decisions import Decisions
from amin.engine.vllm.metrics import Metrics
from amin.workload.interface import Job
from amin.workload.lmsys_like import embedded_replies, lmsys_like

pytestmark = pytest.mark.dry

EVERY_ENTRY = sorted(
    name for name, _ in inspect.getmembers(Decisions, inspect.isfunction) if name[0] != "_"
)
SELDOM = {"close", "returned", "skipped_alike", "hidden", "shown", "arrived_unknown"}
"""Asked at the end, where vLLM skips somebody, or after another fault."""
LOOKING = {"look_on", "waiting_since", "begun"}
"""Asked in shadow, or for metrics."""
ENTRIES = sorted(set(EVERY_ENTRY) - SELDOM - LOOKING)

SHAPE: dict[str, Any] = {"num_gpu_blocks": 257, "block_size": 16, "seconds_per_step": 0.03}
WAYS: dict[str, dict[str, Any]] = {
    "sync": {},
    "async": {"async_scheduling": True},
    "prefix caching": {"enable_prefix_caching": True},
}
MakeEngine = Callable[..., Any]


class InjectedError(Exception):
    """What is raised on purpose."""


def break_(
    amin: Decisions, entry: str, is_due: Callable[[int], bool], when: str = "before"
) -> list[int]:
    """Make an entry raise, `before` or `after` it has done its work, where its call is due.

    Returns the numbers of the calls that raised.
    """
    original, raised, num_calls = getattr(amin, entry), [], 0

    def broken(*args: Any) -> Any:
        nonlocal num_calls
        num_calls += 1
        due = is_due(num_calls)
        if due:
            raised.append(num_calls)
        if due and when == "before":
            raise InjectedError(entry)
        answer = original(*args)
        if due:
            raise InjectedError(entry)
        return answer

    setattr(amin, entry, broken)
    return raised


def load(num_requests: int = 90) -> Sequence[Job]:
    """LMSYS-like requests at twice the capacity."""
    replies = embedded_replies(2000, seed=3)
    return lmsys_like(replies, num_requests=num_requests, requests_per_second=11, seed=3)


@pytest.fixture(scope="module")
def stock(engine_of: MakeEngine) -> dict[str, str]:
    """What vLLM's own scheduler decides."""
    return {
        name: everything_decided(engine_of("vllm-fcfs", **SHAPE, **WAYS[name]).run(load()))
        for name in WAYS
    }


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("first", [1, 60])
@pytest.mark.parametrize("entry", ENTRIES)
def test_each_fallback_is_what_stock_vllm_does(
    engine_of: MakeEngine, stock: dict[str, str], entry: str, first: int, when: str
) -> None:
    """With vLLM's own policy in amin's words every step is stock's before, during and after: each
    answer that failed was replaced by stock's, and so was all from the third on."""
    way = list(WAYS)[(len(entry) + first) % len(WAYS)]
    engine = engine_of("fcfs", **SHAPE, **WAYS[way], tail_promise=10.0)
    raised = break_(engine.scheduler.amin, entry, lambda number: number >= first, when)
    result = engine.run(load())
    assert everything_decided(result) == stock[way]
    assert len(raised) == FAULTS_TO_GIVE_UP
    assert engine.scheduler.amin_boundary.is_off
    assert engine.scheduler.amin_boundary.faults.total() == FAULTS_TO_GIVE_UP


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_under_load_every_request_ends(
    engine_of: MakeEngine,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    entry: str,
    when: str,
) -> None:
    """The default fails for good in mid-run: the queue is vLLM's own from then on, nobody is lost,
    and one line at ERROR says so."""
    # vLLM's own logger may or may not hand on to the root, where pytest listens.
    logger = logging.getLogger("vllm.amin")
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "propagate", False)
    engine = engine_of("expected-volume", **SHAPE, predictor="online", tail_promise=1.0)
    break_(engine.scheduler.amin, entry, lambda number: number > 40, when)
    result = engine.run(load())
    assert all(record.status == "finished" for record in result.records)
    assert type(engine.scheduler.waiting) is type(
        seam.create_request_queue(seam.SchedulingPolicy.FCFS)
    )
    assert seam.num_free_blocks(engine.scheduler) == SHAPE["num_gpu_blocks"] - 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert f"InjectedError: {entry}" in errors[0].getMessage()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("entry", sorted({*ENTRIES, "look_on"}))
def test_in_shadow_no_fault_changes_a_decision(
    engine_of: MakeEngine, stock: dict[str, str], entry: str, when: str
) -> None:
    """Whatever fails while amin looks on, vLLM decides as ever; the third time amin looks away."""
    settings = {"predictor": "online", "tail_promise": 1.0, "stream_promise": 10.0}
    engine = engine_of("expected-volume", mode="shadow", **SHAPE, **settings)
    raised = break_(engine.scheduler.amin, entry, lambda number: number > 20, when)
    assert everything_decided(engine.run(load())) == stock["sync"]
    assert engine.scheduler.amin_boundary.is_off == (len(raised) == FAULTS_TO_GIVE_UP)
    is_asked = entry not in ("admits", "due", "make_way", "victims")
    assert bool(raised) == is_asked


@pytest.mark.parametrize("entry", ["waiting_since", "begun"])
def test_metrics_that_fail_cost_no_request(engine_of: MakeEngine, entry: str) -> None:
    """They are asked behind the same boundary."""
    settings = {"predictor": "online", "tail_promise": 1.0, "stream_promise": 10.0}
    engine = engine_of("expected-volume", **SHAPE, **settings)
    config = AminConfig(tail_promise=1.0)
    engine.scheduler.amin_metrics = Metrics(config, 0, CollectorRegistry())
    raised = break_(engine.scheduler.amin, entry, lambda number: True)
    assert all(record.status == "finished" for record in engine.run(load()).records)
    assert len(raised) == FAULTS_TO_GIVE_UP
    assert engine.scheduler.amin_boundary.faults["metrics"] == FAULTS_TO_GIVE_UP


@pytest.mark.parametrize("entry", ENTRIES)
def test_two_faults_are_survived(engine_of: MakeEngine, entry: str) -> None:
    """Amin goes on deciding, with books that may miss something, and every request ends."""
    engine = engine_of("expected-volume", **SHAPE, predictor="online", tail_promise=1.0)
    break_(engine.scheduler.amin, entry, lambda number: number in (30, 90))
    result = engine.run(load())
    assert all(record.status == "finished" for record in result.records)
    assert engine.scheduler.amin_boundary.faults.total() == 2
    assert not engine.scheduler.amin_boundary.is_off


@pytest.mark.parametrize("failing", [(1, 2), (1, 30), (30, 31)], ids=str)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_arrival_that_fails_is_in_the_books_once(
    engine_of: MakeEngine, failing: tuple[int, int], when: str
) -> None:
    """Where it fails once it is noted, too: noted twice it would come before itself, and amin would
    walk along the order of arrival for ever."""
    engine = engine_of("expected-volume", **SHAPE, predictor="online", tail_promise=1.0)
    amin = engine.scheduler.amin
    break_(amin, "arrived", lambda number: number in failing, when)
    result = engine.run(load())
    assert all(record.status == "finished" for record in result.records)
    assert amin.guard.is_empty
    assert len(amin.ledger) == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_arrival_that_fails_is_charged_once(engine_of: MakeEngine, when: str) -> None:
    """To its client's account, and has one time by which its first token is to be there."""
    settings = {"fair_share": "client", "ttft_target": 5.0}
    engine = engine_of("expected-volume", **SHAPE, predictor="online", **settings)
    amin = engine.scheduler.amin
    break_(amin, "arrived", lambda number: number == 1, when)
    job = load()[0]
    engine.submit(job)
    request = engine.scheduler.requests[job.request.request_id]
    client, charge = request.amin_account
    assert charge > 0
    assert amin.ranks._accounts == {client: charge}
    assert [late for _, late in amin.ranks._in_time] == [request]


@pytest.mark.parametrize("entry", ["arrived", "key", "admits", "learned"])
def test_after_giving_up_the_default_decides_as_stock_vllm(
    engine_of: MakeEngine, entry: str
) -> None:
    """It fails in a quiet hour, before anybody has to wait; under the load that follows every step
    is that of vLLM without amin."""
    quiet = [
        Job(job.request.__class__(f"quiet-{i}", 20, 50, float(i)), 5)
        for i, job in enumerate(load(5))
    ]
    busy = []
    for job in load():
        facts = {name: getattr(job.request, name) for name in ("num_prompt_tokens", "max_tokens")}
        busy.append(
            Job(
                job.request.__class__(
                    job.request.request_id, **facts, arrival_time=job.request.arrival_time + 20
                ),
                job.num_output_tokens,
            )
        )
    engines = [engine_of(policy, **SHAPE, **more) for policy, more in (
        ("expected-volume", {"predictor": "online", "tail_promise": 1.0}), ("vllm-fcfs", {}),
    )]  # fmt: skip
    break_(engines[0].scheduler.amin, entry, lambda number: True)
    found = [everything_decided(engine.run(quiet + busy)) for engine in engines]
    assert engines[0].scheduler.amin_boundary.is_off
    assert found[0] == found[1]


def test_where_no_arrival_can_be_noted_amin_gives_up_at_once(
    engine_of: MakeEngine, stock: dict[str, str]
) -> None:
    """A request without a place in the books cannot be scheduled by amin: vLLM does it alone."""
    engine = engine_of("expected-volume", **SHAPE)
    for entry in ("arrived", "arrived_unknown"):
        break_(engine.scheduler.amin, entry, lambda number: True)
    assert everything_decided(engine.run(load())) == stock["sync"]
    assert engine.scheduler.amin_boundary.faults == {"arrival": 2}


def test_a_scheduler_that_is_too_slow_switches_itself_off(engine_of: MakeEngine) -> None:
    """A hundred steps running above the budget, and vLLM schedules on alone."""
    engine = engine_of("expected-volume", **SHAPE, decision_budget_ms=1e-6)
    result = engine.run(load())
    assert all(record.status == "finished" for record in result.records)
    assert engine.scheduler.amin_boundary.faults == {"time": 1}
    assert engine.scheduler.amin_boundary.is_off


@pytest.mark.parametrize("num_faults", [2, 9])
@pytest.mark.parametrize("entry", ["returned", "skipped_alike"])
def test_what_concerns_skipped_requests_may_fail_too(
    stepper: Callable[..., Any], job: Callable[..., Job], entry: str, num_faults: int
) -> None:
    """vLLM takes some from the queue and gives them back; all of them end."""
    run = stepper("expected-volume", predictor="online", tail_promise=1.0, max_loras=1)
    raised = break_(run.scheduler.amin, entry, lambda number: number <= num_faults)
    run.add(*[job(f"r{i}", 8, 20) for i in range(40)])
    for _ in range(12):
        run.step()
        queue = run.scheduler.waiting
        skipped = [queue.pop_request() for _ in range(2) if queue.peek_request()]
        queue.prepend_requests(skipped)
    run.finish()
    assert len(raised) == min(num_faults, FAULTS_TO_GIVE_UP)
    assert not run.scheduler.requests


def test_failing_to_save_at_the_end_does_not_keep_the_server(stepper: Callable[..., Any]) -> None:
    """vLLM's own shutdown follows whatever happens to ours."""
    run = stepper("expected-volume")
    break_(run.scheduler.amin, "close", lambda number: True)
    run.scheduler.shutdown()
    assert run.scheduler.amin_boundary.faults == {"shutdown": 1}
