"""A prediction that comes after the arrival: believed from then on, and waited for by nobody."""

# ruff: noqa: D102
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job

pytestmark = pytest.mark.dry

MakeJob = Callable[..., Job]
MakeStepper = Callable[..., Any]


class Slow(Predictor):
    """Answers with `answers` by request id, each after `seconds`, once it is released."""

    name = "slow"

    def __init__(self, answers: dict[str, int], seconds: float = 0.0) -> None:
        self.answers = answers
        self.seconds = seconds
        self.released = threading.Event()
        self.asked: list[Request] = []

    def predict(self, request: Request) -> LengthEstimate:
        self.asked.append(request)
        self.released.wait()
        time.sleep(self.seconds)
        length = self.answers[request.request_id]
        return LengthEstimate(length, length)


@pytest.fixture
def slow(install: Callable[..., str]) -> Iterator[Callable[..., tuple[Slow, str]]]:
    """Make a slow predictor: (the predictor, its specification). All are let go at the end."""
    made = []

    def make(answers: dict[str, int], seconds: float = 0.0) -> tuple[Slow, str]:
        made.append(Slow(answers, seconds))
        return made[-1], install(made[-1])

    yield make
    for predictor in made:
        predictor.released.set()


def _wait_for_answers(run: Any, number: int) -> None:
    answers = run.scheduler.amin.intake.predictor._answers
    while answers.qsize() < number:
        time.sleep(0.001)


def test_a_late_prediction_moves_the_request_in_the_queue(
    stepper: MakeStepper, job: MakeJob, slow: Callable[..., tuple[Slow, str]]
) -> None:
    """In the order of arrival while nothing is known, then smallest bound first."""
    predictor, spec = slow({"a": 5, "b": 12, "c": 10, "d": 8})
    run = stepper(num_gpu_blocks=9, predictor=spec)
    run.add(*(job(name, 20, 12) for name in "abcd"))
    run.step()
    assert (run.running, run.waiting) == (["a"], ["b", "c", "d"])
    predictor.released.set()
    _wait_for_answers(run, 4)
    run.step()
    assert (run.running, run.waiting) == (["a"], ["d", "c", "b"])
    view = run.scheduler.amin.ledger.view("d")
    assert (view.lower, view.upper, view.bound) == (8, 8, 8)
    run.finish()
    run.assert_nothing_leaked()


def test_a_late_prediction_changes_the_forecast_of_one_that_runs(
    stepper: MakeStepper, job: MakeJob, slow: Callable[..., tuple[Slow, str]]
) -> None:
    """10 blocks of 4. If a ends now, b may grow to 9 of them; if it has 29 to go, it may not."""
    for is_told, running in ((False, ["a", "b"]), (True, ["a"])):
        predictor, spec = slow({"a": 32})
        run = stepper(num_gpu_blocks=11, predictor=spec, client_hints=True)
        run.add(job("a", 4, 32))
        run.step(3)
        if is_told:
            predictor.released.set()
            _wait_for_answers(run, 1)
        run.add(job("b", 12, 2, lower=24))
        run.step()
        assert run.running == running


def test_an_upper_bound_that_comes_late_replaces_max_tokens(
    stepper: MakeStepper, job: MakeJob, slow: Callable[..., tuple[Slow, str]]
) -> None:
    """A_max reserves for max_tokens until it knows better."""
    predictor, spec = slow({"a": 9})
    run = stepper("amax", predictor=spec)
    run.add(job("a", 4, 9, max_tokens=200))
    assert run.scheduler.amin.ledger.view("a").bound == 200
    predictor.released.set()
    _wait_for_answers(run, 1)
    run.step()
    assert run.scheduler.amin.ledger.view("a").bound == 9


def test_what_was_learned_from_a_preemption_outlives_a_late_prediction(
    stepper: MakeStepper, job: MakeJob, slow: Callable[..., tuple[Slow, str]]
) -> None:
    """A request that made 7 tokens and left is not believed to make only 3."""
    predictor, spec = slow({"a": 3, "b": 3, "c": 3})
    run = stepper("amin-dynamic", num_gpu_blocks=15, predictor=spec)
    run.add(job("a", 4, 30))
    run.step(2)
    run.add(job("b", 20, 30), job("c", 12, 30))
    run.step(6)
    (victim,) = run.preempted
    made = run.scheduler.amin.ledger.view(victim).bound
    assert made > 3
    predictor.released.set()
    _wait_for_answers(run, 3)
    run.step()
    view = run.scheduler.amin.ledger.view(victim)
    assert (view.lower, view.bound) == (3, made)


def test_a_burst_is_predicted_while_it_waits(
    stepper: MakeStepper, job: MakeJob, slow: Callable[..., tuple[Slow, str]]
) -> None:
    """200 arrivals at once, 1 ms for each prediction: nobody is dropped, and the last leads."""
    predictor, spec = slow({str(i): 200 - i for i in range(200)}, seconds=0.001)
    run = stepper(num_gpu_blocks=300, max_num_seqs=1, predictor=spec)
    run.add(*(job(str(i), 20, 30) for i in range(200)))
    run.step()
    assert run.waiting == [str(i) for i in range(1, 200)]
    predictor.released.set()
    _wait_for_answers(run, 200)
    run.step()
    assert run.waiting == [str(i) for i in range(199, 0, -1)]
    counters = run.scheduler.amin.intake.predictor.counters
    assert (counters.num_predictions, counters.num_failures) == (200, 0)


def test_the_record_has_the_prediction_that_was_believed_at_the_end(
    engine_of: Callable[..., Any], job: MakeJob, slow: Callable[..., tuple[Slow, str]]
) -> None:
    """Whenever it came: reports judge predictors by it."""
    predictor, spec = slow({"a": 7})
    engine = engine_of(predictor=spec)
    schedule = engine.scheduler.schedule

    def released_in_the_first_step(*args: Any) -> Any:
        predictor.released.set()
        while engine.scheduler.amin.intake.predictor._asked and not (
            engine.scheduler.amin.intake.predictor._answers.qsize()
        ):
            time.sleep(0.001)
        return schedule(*args)

    engine.scheduler.schedule = released_in_the_first_step
    (record,) = engine.run([job("a", 4, 9)]).records
    assert (record.lower, record.upper) == (7, 7)


def test_a_predictor_sees_what_the_server_sees(
    stepper: MakeStepper, job: MakeJob, slow: Callable[..., tuple[Slow, str]]
) -> None:
    """The prompt's tokens, how the reply is sampled, the cap; no class that was not trusted."""
    predictor, spec = slow({"a": 7})
    predictor.released.set()
    run = stepper(predictor=spec)
    run.add(job("a", 3, 9, max_tokens=50, tokens=(7, 8, 9), predicted_class="essay"))
    _wait_for_answers(run, 1)
    (request,) = predictor.asked
    assert tuple(request.prompt_token_ids) == (7, 8, 9)
    assert (request.num_prompt_tokens, request.max_tokens) == (3, 50)
    assert request.predicted_class is None
    assert request.sampling.ignore_eos is True
    assert request.sampling.temperature == 1.0
    assert request.sampling.is_structured is False


@pytest.mark.parametrize(
    ("hints", "predictor", "num_warnings"),
    [(False, "class", 1), (True, "class", 0), (False, "", 0)],
)
def test_a_class_table_without_hints_says_so_at_start(
    stepper: MakeStepper,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hints: bool,
    predictor: str,
    num_warnings: int,
) -> None:
    """It would do nothing for any request: one line, in vLLM's own log."""
    (tmp_path / "t.json").write_text('{"classes": {"essay": {"lower": 9}}}')
    logger = logging.getLogger("vllm.amin")
    # Not by way of vLLM's own logger, which may or may not hand on to the root.
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "propagate", False)
    caplog.set_level(logging.WARNING, logger=logger.name)
    spec = f"class:{tmp_path / 't.json'}" if predictor else "constant:1"
    stepper(predictor=spec, client_hints=hints)
    assert len(caplog.messages) == num_warnings
    assert all("client hints are off" in message for message in caplog.messages)
