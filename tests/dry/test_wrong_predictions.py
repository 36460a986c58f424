"""Predictions, hints and predictors that are wrong cost their benefit and nothing else."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

FORECASTING = ["amin-static", "amin-dynamic", "amax"]
MakeJob = Callable[..., Job]
MakeStepper = Callable[..., Any]


def _jobs(make_job: MakeJob, **fields: Any) -> list[Job]:
    return [make_job(str(i), 3 + i, 5 + 2 * i, at=float(i), **fields) for i in range(12)]


def _estimates(run: Any) -> dict[str, tuple[int, int]]:
    views = {request_id: run.scheduler.amin.ledger.view(request_id) for request_id in run.lengths}
    return {request_id: (view.lower, view.upper) for request_id, view in views.items()}


@pytest.mark.parametrize("policy", FORECASTING)
@pytest.mark.parametrize(
    "hint",
    [
        {"lower": 900},  # far above the truth, and above what the cache of 104 tokens holds
        {"lower": 90},
        {"lower": 1, "upper": 1},  # far below the truth
        {"lower": 900, "upper": 900},
    ],
    ids=str,
)
@pytest.mark.parametrize("is_async", [False, True])
def test_no_bound_can_stall_the_engine(
    stepper: MakeStepper, job: MakeJob, policy: str, hint: dict[str, int], is_async: bool
) -> None:
    """Bounds above the truth, above the cache, below the truth: everyone finishes."""
    run = stepper(policy, num_gpu_blocks=27, client_hints=True, async_scheduling=is_async)
    run.add(*_jobs(job, **hint))
    run.finish(max_steps=2000)
    run.assert_nothing_leaked()


def test_a_bound_is_clamped_to_what_the_cache_holds(stepper: MakeStepper, job: MakeJob) -> None:
    """26 blocks of 4 hold 104 tokens: with a prompt of 5 the bound is at most 100."""
    run = stepper("amin-static", num_gpu_blocks=27, client_hints=True)
    run.add(job("a", 5, 3, lower=900))
    assert run.scheduler.amin.ledger.view("a").bound == 100


def test_hints_are_believed_where_the_operator_says_so(stepper: MakeStepper, job: MakeJob) -> None:
    """client_hints: the interval of the client is that of the ledger, clamped to max_tokens."""
    run = stepper(client_hints=True)
    run.add(job("a", 4, 9, lower=5, upper=30), job("b", 4, 9, lower=5, max_tokens=20))
    run.add(job("none", 4, 9, max_tokens=20))
    assert _estimates(run) == {"a": (5, 30), "b": (5, 20), "none": (1, 20)}


def test_hints_are_ignored_otherwise(stepper: MakeStepper, job: MakeJob) -> None:
    """By default a client cannot change its place: good hints, bad ones, none are the same."""
    run = stepper()
    run.add(job("good", 4, 9, lower=5, upper=30, max_tokens=50))
    run.add(job("bad", 4, 9, max_tokens=50), extra_args={"amin_lower": "nonsense"})
    run.add(job("none", 4, 9, max_tokens=50))
    assert set(_estimates(run).values()) == {(1, 50)}
    assert run.scheduler.amin.intake.num_bad_hints == 0


@pytest.mark.parametrize(
    "extra_args",
    [
        {"amin_lower": -1},
        {"amin_lower": float("nan")},
        {"amin_upper": 10**12},
        {"amin_lower": True},
        {"amin_lower": "7"},
        {"amin_lower": 9, "amin_upper": 3},
        {"amin_class": 5},
        {"amin_class": "x" * 1000},
        {"amin_lower": {"a": [1]}},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_malformed_hints_are_counted_and_survived(
    stepper: MakeStepper, job: MakeJob, extra_args: dict[str, Any]
) -> None:
    """The request runs with the prediction that it would have had without hints."""
    run = stepper(client_hints=True, predictor="constant:3")
    run.add(job("bad", 4, 9, max_tokens=50), extra_args=extra_args)
    run.add(job("good", 4, 9, lower=5, upper=30))
    assert _estimates(run) == {"bad": (3, 50), "good": (5, 30)}
    assert run.scheduler.amin.intake.num_bad_hints == 1
    run.finish()
    run.assert_nothing_leaked()


def test_the_class_of_a_hint_reaches_the_predictor(
    stepper: MakeStepper, job: MakeJob, tmp_path: Any
) -> None:
    """amin_class looks up the row of the class table; an unknown one the default."""
    table = tmp_path / "table.json"
    table.write_text('{"classes": {"essay": {"lower": 40, "upper": 60}}, "default": {"lower": 2}}')
    for believed, expected in ((True, (40, 60)), (False, (2, 1000))):
        run = stepper(client_hints=believed, predictor=f"class:{table}")
        run.add(job("a", 4, 9, predicted_class="essay"), job("b", 4, 9, predicted_class="?"))
        assert _estimates(run) == {"a": expected, "b": (2, 1000)}


class Faulty(Predictor):
    """Does to every request what `fault` does."""

    name = "faulty"

    def __init__(self, fault: Callable[[], Any], is_instant: bool) -> None:
        self.fault = fault
        self.is_instant = is_instant
        self.learned: list[tuple[str, int, bool]] = []

    def predict(self, request: Request) -> LengthEstimate:
        """Whatever the fault gives."""
        return self.fault()  # type: ignore[no-any-return]

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """Remember."""
        self.learned.append((request.request_id, num_output_tokens, is_censored))


@pytest.fixture
def hang() -> Iterator[Callable[[], None]]:
    """Waits for ever, which ends with the test."""
    released = threading.Event()
    yield lambda: (released.wait(), None)[1]
    released.set()


def _raise() -> None:
    raise RuntimeError("no model here")


@pytest.mark.parametrize(
    ("fault", "counter"), [(_raise, "num_raised"), (lambda: (1, 2), "num_invalid")]
)
def test_a_predictor_that_fails_is_counted_and_survived(
    stepper: MakeStepper,
    job: MakeJob,
    install: Callable[..., str],
    fault: Callable[[], Any],
    counter: str,
) -> None:
    """Raising and nonsense: every request has the bound 1, and finishes."""
    run = stepper(num_gpu_blocks=27, predictor=install(Faulty(fault, is_instant=True)))
    run.add(*_jobs(job, max_tokens=50))
    assert set(_estimates(run).values()) == {(1, 50)}
    assert getattr(run.scheduler.amin.intake.predictor.counters, counter) == 12
    run.finish()
    run.assert_nothing_leaked()


def test_a_predictor_that_hangs_is_counted_and_survived(
    stepper: MakeStepper, job: MakeJob, install: Callable[..., str], hang: Callable[[], None]
) -> None:
    """Every request has the bound 1, and finishes while the predictor still hangs."""
    run = stepper(predictor=install(Faulty(hang, is_instant=False)))
    run.add(*_jobs(job, max_tokens=50))
    assert set(_estimates(run).values()) == {(1, 50)}
    run.finish()
    assert run.scheduler.amin.intake.predictor.counters.num_unanswered == 12
    run.assert_nothing_leaked()


def test_outcomes_are_learned(
    stepper: MakeStepper, job: MakeJob, install: Callable[..., str]
) -> None:
    """True lengths, and whether they were cut: by an abort or by max_tokens, not by an end."""
    predictor = Faulty(lambda: LengthEstimate(1, 9), is_instant=True)
    run = stepper(predictor=install(predictor))
    run.add(job("ends", 4, 6), job("cut", 4, 30, max_tokens=8), job("aborted", 4, 30))
    run.step(3)
    run.abort("aborted")
    run.finish()
    assert predictor.learned == [("aborted", 3, True), ("ends", 6, False), ("cut", 8, True)]
