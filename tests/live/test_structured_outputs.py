"""Structured outputs on the real engine: a grammar changes what is said, not who is admitted."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from tests.live.in_process import LiveEngine, Prompt, StartEngine

pytestmark = pytest.mark.live

PROMPTS = [
    Prompt([40 + index, *range(3, 43)], max_tokens=150, ignore_eos=False) for index in range(12)
]


def _most_running(engine: LiveEngine, prompts: list[Prompt]) -> int:
    """Serve them to the end; returns how many ran at once."""
    for index, prompt in enumerate(prompts):
        engine.add(str(index), prompt)
    # Grammars are compiled on a thread: vLLM admits these requests when they are there.
    while not all(
        request.structured_output_request is None or request.structured_output_request.grammar
        for request in engine.scheduler.requests.values()
    ):
        time.sleep(0.01)
    most = 0
    while engine.scheduler.requests:
        engine.step()
        most = max(most, len(engine.scheduler.running))
    return most


def test_the_forecast_holds_for_constrained_requests_too(start_engine: StartEngine) -> None:
    """A_max admits as many as of plain requests, and preempts none."""
    running = []
    for regex in (None, "[a-z ]{200,}"):
        engine = start_engine({"policy": "amax"})
        running.append(_most_running(engine, [replace(one, regex=regex) for one in PROMPTS]))
        assert engine.metric("vllm:num_preemptions") == 0
    assert running[0] == running[1] < len(PROMPTS)
