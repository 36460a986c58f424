"""What a server's log says of its steps gives their time back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.workload.served_steps import FEW, NUM_BINS, ServedSteps


def _steps(num_steps: int, noise: float = 0.0, slope: float = 2e-7) -> ServedSteps:
    """20 ms, 0.1 ms a token computed, and so much for each token held."""
    rng, steps = np.random.default_rng(0), ServedSteps()
    for _ in range(num_steps):
        tokens, held = int(rng.choice([8, 64, 512])), int(rng.integers(1_000, 60_000))
        exact = 0.020 + 1e-4 * tokens + slope * held
        steps.add(tokens, held, exact * float(rng.normal(1, noise)))
    return steps


def test_the_time_of_a_step_is_found_again() -> None:
    """By its tokens, and by what is held beside them."""
    fit = _steps(3000, noise=0.05).fit()
    assert fit is not None
    assert [tokens for tokens, _ in fit.points] == [8, 64, 512]
    assert [s for _, s in fit.points] == pytest.approx([0.0208, 0.0264, 0.0712], rel=0.02)
    assert fit.seconds_per_kv_token == pytest.approx(2e-7, rel=0.1)
    assert fit.residual == pytest.approx(0.05, rel=0.3)
    assert fit.num_steps == 3000


def test_steps_that_do_not_depend_on_memory_have_no_slope() -> None:
    """And what is explained fully leaves nothing."""
    fit = _steps(300, slope=0.0).fit()
    assert fit is not None
    assert fit.seconds_per_kv_token == pytest.approx(0.0, abs=1e-12)
    assert fit.residual < 1e-6


def test_rows_of_a_log_add_up_to_the_whole() -> None:
    """Taken in parts, through JSON, and merged in any number of servers' lives."""
    whole, merged = _steps(1000), ServedSteps()
    parts = _steps(1000)
    row = json.loads(json.dumps(parts.take()))
    assert len(parts) == 0
    merged.merge(row)
    assert merged.fit() == whole.fit()
    merged.merge(row)
    assert len(merged) == 2000


def test_a_pause_of_the_machine_is_no_step() -> None:
    """A compiler at work, a debugger: once a bin knows better."""
    steps = ServedSteps()
    for seconds in [0.02] * FEW + [9.0]:
        steps.add(4, 100, seconds)
    assert len(steps) == FEW


def test_hardly_any_steps_say_nothing() -> None:
    """Rather than a guess."""
    steps = ServedSteps()
    for _ in range(FEW - 1):
        steps.add(4, 100, 0.02)
    assert steps.fit() is None


@pytest.mark.parametrize(
    "row",
    [
        {"0": [1.0] * 6},
        {str(NUM_BINS): [1.0] * 7},
        {"x": [1.0] * 7},
        {"0": [-1.0] * 7},
        {"0": [float("nan")] * 7},
        {"0": 3},
    ],
)
def test_what_is_no_row_is_refused(row: dict[str, list[float]]) -> None:
    """Named, with what is allowed."""
    with pytest.raises(ConfigError, match=r"steps: got .*, allowed: seven sums of a bin"):
        ServedSteps().merge(row)
