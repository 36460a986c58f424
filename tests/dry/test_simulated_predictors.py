"""With a predictor that learns from the run itself the simulator decides exactly as vLLM."""

# ruff: noqa: D102
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from tests.dry.simulated import check_on_random_workloads

from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job

pytestmark = pytest.mark.dry


class Averaging(Predictor):
    """Of each kind of prompt, the mean of the replies so far; it names the kind."""

    name = "averaging"
    is_instant = True

    def __init__(self) -> None:
        self._of_kind: dict[int, list[int]] = {}

    def predict(self, request: Request) -> LengthEstimate:
        kind = request.num_prompt_tokens % 3
        seen = self._of_kind.get(kind, [1])
        mean = max(sum(seen[-5:]) // len(seen[-5:]), 1)
        return LengthEstimate(mean, mean + 10, str(kind) if kind else None).clamp(
            request.max_tokens
        )

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        if num_output_tokens:
            self._of_kind.setdefault(request.num_prompt_tokens % 3, []).append(num_output_tokens)


def averaging() -> Predictor:
    """What the specification names."""
    return Averaging()


SPECS = f"{__name__}:averaging", "calibrated:online", f"calibrated:{__name__}:averaging"
requests = st.tuples(
    st.integers(1, 60),  # prompt
    st.integers(1, 75),  # output
    st.floats(0, 60, width=16),  # arrival
    st.sampled_from([None, "0", "b"]),  # class
    st.none() | st.integers(1, 60),  # lower
)


def _jobs(rows: list[tuple[Any, ...]]) -> list[Job]:
    jobs = []
    for i, (prompt, output, at, name, lower) in enumerate(sorted(rows, key=lambda row: row[2])):
        hint = None if lower is None else LengthEstimate(lower, 60)
        request = Request(f"r{i}", prompt, 70, at, predicted_class=name, hint=hint)
        jobs.append(Job(request, output))
    return jobs


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("policy", ["expected-volume", "amin-dynamic"])
def test_decides_as_vllm_with_a_predictor_that_learns(policy: str, spec: str) -> None:
    """Told of each end, asked at each arrival; its classes are learned by."""
    workloads = st.lists(requests, min_size=1, max_size=80).map(_jobs)
    shape = {"tail_promise": 0.5, "predictor": spec}
    check_on_random_workloads(policy, shape, workloads, number=25)
