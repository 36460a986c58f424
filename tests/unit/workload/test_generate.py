"""Generated workloads have the lengths and arrivals that they are named for."""

from __future__ import annotations

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.workload.generate import arrival_times, generate, names
from amin.workload.interface import check_workload


@pytest.mark.parametrize("name", names())
def test_a_generated_trace_is_a_workload(name: str) -> None:
    """Ascending arrivals, positive lengths; the same seed gives the same, another one another."""
    trace = generate(name, 500, seed=1, rate=3.0)
    check_workload(list(trace))
    again, other = (generate(name, 500, seed=seed, rate=3.0) for seed in (1, 2))
    assert np.array_equal(trace.num_output_tokens, again.num_output_tokens)
    assert not np.array_equal(trace.num_output_tokens, other.num_output_tokens)


@pytest.mark.parametrize(
    ("name", "prompt", "output"),
    [
        ("azure-conv", 1155, 211),
        ("azure-code", 2048, 28),
        ("sharegpt", 2340, 439),
        ("reasoning", 1155, 759),
    ],
)
def test_means_are_those_of_the_trace(name: str, prompt: float, output: float) -> None:
    """The tables keep them; the rest is the chance of the draw."""
    trace = generate(name, 20_000, seed=0)
    assert trace.num_prompt_tokens.mean() == pytest.approx(prompt, rel=0.05)
    assert trace.num_output_tokens.mean() == pytest.approx(output, rel=0.05)


@pytest.mark.parametrize(("kind", "cv"), [("poisson", 1.0), ("gamma:1", 1.0), ("gamma:3", 3.0)])
def test_gaps_have_the_rate_and_the_variation_asked_for(kind: str, cv: float) -> None:
    """Mean 1/rate, standard deviation cv/rate."""
    gaps = np.diff(arrival_times(200_000, 4.0, kind, seed=0))
    assert gaps.mean() == pytest.approx(0.25, rel=0.03)
    assert gaps.std() == pytest.approx(0.25 * cv, rel=0.05)


def test_a_batch_arrives_at_once() -> None:
    """All at 0."""
    assert set(arrival_times(5, 4.0, "batch", seed=0)) == {0.0}


@pytest.mark.parametrize("kind", ["poisson:2", "gamma", "gamma:x", "gamma:0", "gamma:nan", "uni"])
def test_refuses_other_arrivals(kind: str) -> None:
    """Field, value, what is allowed."""
    with pytest.raises(ConfigError, match=f"arrivals: got '{kind}', allowed: poisson, gamma:CV"):
        arrival_times(5, 1.0, kind, seed=0)


def test_refuses_an_unknown_workload() -> None:
    """And names those that there are."""
    with pytest.raises(
        ConfigError, match=r"workload: unknown 'azure'.*allowed: agents, azure-code"
    ):
        generate("azure", 5, seed=0)
