"""With a predictor that learns from the run itself the simulator decides exactly as vLLM."""

# ruff: noqa: D102
from __future__ import annotations

import pytest
from hypothesis import strategies as st
from tests.dry.simulated import TOLD_REQUEST, check_on_random_workloads, told_jobs

from amin.predictor.interface import Predictor
from amin.request import LengthEstimate, Request

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


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("policy", ["expected-volume", "amin-dynamic"])
def test_decides_as_vllm_with_a_predictor_that_learns(policy: str, spec: str) -> None:
    """Told of each end, asked at each arrival; its classes are learned by."""
    workloads = st.lists(TOLD_REQUEST, min_size=1, max_size=80).map(told_jobs)
    shape = {"tail_promise": 0.5, "predictor": spec}
    check_on_random_workloads(policy, shape, workloads, number=25)
