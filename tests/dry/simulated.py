"""One workload through vLLM's own scheduler and through the simulator, and their comparison."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.engine.step_time import StepTime
from amin.engine.vllm import dry
from amin.predictor.features import BEGINNING
from amin.record import RunResult
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job

REQUEST = (
    st.integers(1, 60),  # prompt
    st.integers(1, 60),  # output
    st.floats(0, 60, width=16),  # arrival
    st.integers(0, 2),  # priority
    st.integers(1, 60),  # one end of what is predicted
    st.integers(1, 60),  # the other
)
"""What a random request is drawn from."""

TOLD_REQUEST = st.tuples(
    st.integers(1, 60),  # prompt
    st.integers(1, 75),  # output
    st.floats(0, 60, width=16),  # arrival
    st.sampled_from([None, "1", "b"]),  # class, which a predictor may name, too
    st.none() | st.integers(1, 60),  # lower
    st.sampled_from([None, "x", "y"]),  # client
    st.sampled_from([None, 1, 2]),  # how a long prompt begins
    st.sampled_from([None, None, None, 0.0, 0.1, 1.0]),  # how fast its reply is read
)
"""The same, and what is told of it."""


def told_jobs(rows: list[tuple[Any, ...]]) -> list[Job]:
    """Requests in the order of arrival, of which something is known."""
    jobs = []
    for i, row in enumerate(sorted(rows, key=lambda row: row[2])):
        prompt, output, at, name, lower, client, beginning, pace = row
        hint = None if lower is None else LengthEstimate(lower, 60)
        tokens = ()
        if beginning:
            # All different behind what they share.
            prompt += BEGINNING
            tokens = (beginning,) * BEGINNING + (100 + i,) * (prompt - BEGINNING)
        told = {"predicted_class": name, "hint": hint, "client": client, "reading_pace": pace}
        jobs.append(Job(Request(f"r{i}", prompt, 70, at, prompt_token_ids=tokens, **told), output))
    return jobs


SHAPES: dict[str, dict[str, Any]] = {
    "tight": {},
    "ample": {"num_blocks": 400},
    "few-seqs": {"max_num_seqs": 3},
    "chunks": {"max_num_batched_tokens": 24, "max_num_seqs": 9},
    "long-prefill": {"max_num_batched_tokens": 64, "long_prefill_token_threshold": 16},
    "watermark": {"watermark": 0.1},
    "tokens": {"block_size": 1, "num_blocks": 160},
}


SMALL: dict[str, Any] = {
    "num_blocks": 40,
    "block_size": 4,
    "max_num_seqs": 64,
    "max_num_batched_tokens": 2048,
    "forecast_floor": 1,
}
"""What random workloads run on, where a shape says nothing else."""


def check_on_random_workloads(
    policy: str, shape: dict[str, Any], workloads: st.SearchStrategy[list[Job]], number: int
) -> None:
    """Both decide alike on so many workloads; a step takes 1 s and .01 s per token."""

    @settings(max_examples=number, deadline=None, phases=[Phase.generate])
    @given(workloads)
    def check(jobs: list[Job]) -> None:
        assert_decided_alike(policy, SMALL | shape, StepTime(1.0, 0.01), jobs)

    check()


def assert_decided_alike(
    policy: str, shape: dict[str, Any], step_time: StepTime, jobs: list[Job]
) -> RunResult:
    """Every record of vLLM's run, which is returned, is that of the simulator's.

    `shape` has the names of `SimulatorConfig`, and what engines have beside: promises,
    ttft_target, fair_share and predictor.
    """
    shape = dict(shape)
    of_ours = "tail_promise", "stream_promise", "ttft_target", "fair_share", "predictor"
    ours: dict[str, Any] = {name: shape.pop(name) for name in of_ours if name in shape}
    config = SimulatorConfig(**{"max_model_len": 4096, **shape}, step_time=step_time)
    real = dry.DryEngine.like(config, policy, **ours, seed=3).run(jobs)
    _assert_equal(real, SimulatedEngine(config, policy, **ours, seed=3).run(jobs))
    return real


def everything_decided(result: RunResult) -> str:
    """All that happened in a run, but for what was believed of the lengths: equal or not."""
    records = [asdict(record) | {"lower": 0, "upper": 0} for record in result.records]
    return repr(records + [asdict(sample) for sample in result.samples])


def _decisions(result: RunResult) -> dict[str, dict[str, Any]]:
    """All that happened to each request."""
    return {r.request_id: asdict(r) | {"lower": 0, "upper": 0} for r in result.records}


def _assert_equal(real: RunResult, simulated: RunResult) -> None:
    """Every record of one is that of the other, but for the predictions."""
    expected, got = _decisions(real), _decisions(simulated)
    assert expected.keys() == got.keys()
    for request_id, record in expected.items():
        assert repr(got[request_id]) == repr(record)
