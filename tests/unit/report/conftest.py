"""Tiny runs with round numbers."""

from collections.abc import Callable

import pytest

from amin.record import RequestRecord, RunResult, StepSample

MakeResult = Callable[..., RunResult]


def _result(
    policy: str = "fcfs",
    latencies: tuple[float, ...] = (2.0, 4.0),
    *,
    engine: str = "vllm-dry",
    num_preemptions: int = 0,
    num_aborted: int = 0,
    num_prompt_tokens: int = 5,
    seed: int = 0,
) -> RunResult:
    records = [
        RequestRecord(
            f"r{i}", 0.0, num_prompt_tokens, 2, 9, 0.5, 1.0, latency, 5,
            num_preemptions, 10 * num_preemptions, 8 * num_preemptions, "finished",
            0.5 + num_preemptions, 2.0 * num_preemptions, 2.0 * num_preemptions, 1.0,
        )
        for i, latency in enumerate(latencies)
    ]  # fmt: skip
    records += [RequestRecord(f"x{i}", 0.0, num_prompt_tokens, 2, 9) for i in range(num_aborted)]
    samples = [StepSample(0.5, 4, 1, 1), StepSample(1.0, 8, 2, 0)]
    return RunResult(policy, engine, seed, 10, 16, records, samples, 0.25, 2)


@pytest.fixture
def make_result() -> MakeResult:
    """Builds a run: by default two requests that arrive at 0 s and finish at 2 s and 4 s."""
    return _result
