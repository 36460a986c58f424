import pytest

from amin.demo.budget import FEWEST, MOST, SPARE, TIGHT_CACHE, Budget, Speed
from amin.demo.run import DemoConfig
from amin.errors import ConfigError
from amin.record import RequestRecord, RunResult

SPEED = Speed(output_tokens_per_second=400, mean_reply=100, start_seconds=10)


def _record(finish_time: float, num_output_tokens: int) -> RequestRecord:
    return RequestRecord(
        "r", 0.0, 5, 1, 9, finish_time=finish_time, num_output_tokens=num_output_tokens
    )


def test_speed_is_read_off_a_run() -> None:
    """300 tokens in 2 s of serving, within 9 s of wall clock: 7 s were the start."""
    records = [_record(1.0, 100), _record(2.0, 200)]
    speed = Speed.of(RunResult("p", "vllm", 0, 9, 16, records), seconds=9.0)
    assert speed == Speed(output_tokens_per_second=150, mean_reply=150, start_seconds=7)


def test_a_plan_fills_the_time_that_is_left() -> None:
    """10 minutes, 2 of them gone, 8 runs: 60 s each, 50 of them for serving at capacity."""
    now = [100.0]
    budget = Budget(10, clock=lambda: now[0])
    now[0] += 120
    plan = budget.plan(SPEED, num_runs=8, load=2.0)
    assert SPEED.capacity == TIGHT_CACHE * 4
    assert plan.num_requests == int(50 * SPEED.capacity / SPARE)
    assert plan.requests_per_second == 2 * SPEED.capacity


def test_below_capacity_arrivals_take_the_time() -> None:
    """At half the capacity half as many prompts arrive in the same time."""
    budget = Budget(60, clock=lambda: 0.0)
    full, half = (budget.plan(SPEED, 60, load) for load in (1.0, 0.5))
    assert half.num_requests == pytest.approx(full.num_requests / 2, abs=1)
    assert half.requests_per_second == 0.5 * SPEED.capacity


@pytest.mark.parametrize(("minutes", "number"), [(0.01, FEWEST), (1000, MOST)])
def test_a_plan_has_neither_too_few_nor_too_many(minutes: float, number: int) -> None:
    """A comparison of three prompts says nothing, and the prompts repeat in the end."""
    assert Budget(minutes, clock=lambda: 0.0).plan(SPEED, 8, 2.0).num_requests == number


@pytest.mark.parametrize(
    ("field", "value"), [("minutes", 0), ("minutes", -1), ("load", 0), ("load", float("nan"))]
)
def test_nonsense_is_refused_before_anything_runs(field: str, value: float) -> None:
    """Field, value and what is allowed."""
    with pytest.raises(ConfigError, match=f"{field}: got {value}, allowed: > 0"):
        DemoConfig(**{field: value})  # type: ignore[arg-type]
