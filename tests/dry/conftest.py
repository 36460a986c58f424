"""What the tests of the real vLLM scheduler share: engines, jobs, and driving step by step."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from amin.engine.step_time import StepTime
from amin.engine.stock import STOCK
from amin.engine.vllm.config import AminConfig
from amin.errors import UnsupportedEngineError
from amin.predictor.interface import Predictor
from amin.predictor.survival import HELD
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job

# A line per engine made is noise here; vLLM reads this once, when it is imported.
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
try:
    from amin.engine.vllm import dry, seam
    from amin.engine.vllm.dry_config import DryConfig
except UnsupportedEngineError as error:
    NO_ENGINE = str(error)
else:
    NO_ENGINE = ""


class _Skipped(pytest.Module):
    def collect(self) -> Any:
        pytest.skip(NO_ENGINE, allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> pytest.Module | None:
    """Skip every module of this folder, with the reason, where there is no vLLM to import."""
    return _Skipped.from_parent(parent, path=module_path) if NO_ENGINE else None


def make_engine(
    policy: str = "amin-static", *, seconds_per_step: float = 1.0, **settings: Any
) -> dry.DryEngine:
    """A dry engine whose step takes 1 s: `settings` are those of DryConfig and AminConfig.

    Where they say nothing else there are 64 blocks of 4 tokens, bounds are 1, the forecast floor is
    1 and nothing is promised, as in the paper.
    """
    of_amin = {field.name for field in fields(AminConfig)}
    amin = {name: settings.pop(name) for name in of_amin & set(settings)}
    shape = {"num_gpu_blocks": 65, "block_size": 4, "max_model_len": 4096} | settings
    config = DryConfig(step_time=StepTime(seconds_per_step, 0.0), **shape)
    if policy in STOCK:
        return dry.DryEngine(config, policy)
    paper: dict[str, Any] = {"predictor": "constant:1", "forecast_floor": 1}
    paper |= {"tail_promise": None, "stream_promise": None}
    return dry.DryEngine(config, AminConfig(policy=policy, **(paper | amin)))


def make_job(
    request_id: str,
    prompt: int,
    output: int,
    *,
    at: float = 0.0,
    lower: int | None = None,
    upper: int | None = None,
    max_tokens: int = 1000,
    tokens: tuple[int, ...] = (),
    **facts: Any,
) -> Job:
    """A request that arrives `at`; `lower` and `upper` are its client's hint."""
    hint = None
    if lower is not None or upper is not None:
        hint = LengthEstimate(lower or 1, upper or max(max_tokens, lower or 1))
    request = Request(
        request_id, prompt, max_tokens, at, hint=hint, prompt_token_ids=tokens, **facts
    )
    return Job(request, output)


class Stepper:
    """Drives the scheduler of a dry engine step by step, and sees who is preempted."""

    def __init__(self, engine: dry.DryEngine) -> None:
        self.engine = engine
        self.scheduler = engine.scheduler
        self.preempted: list[str] = []
        self.lengths: dict[str, int] = {}
        self._in_flight: list[Any] = []
        self._depth = 2 if engine.config.async_scheduling else 1
        preempt = self.scheduler._preempt_request

        def _preempt_request(request: Any, *args: Any, **kwargs: Any) -> None:
            self.preempted.append(request.request_id)
            preempt(request, *args, **kwargs)

        self.scheduler._preempt_request = _preempt_request

    def add(self, *jobs: Job, extra_args: dict[str, Any] | None = None) -> None:
        """The jobs arrive; `extra_args` is what their client sends in place of good hints."""
        for job in jobs:
            self.lengths[job.request.request_id] = job.num_output_tokens
            request = self.engine.model.request_of(job)
            if extra_args is not None:
                request.sampling_params.extra_args = extra_args
            self.scheduler.add_request(request)

    def step(self, num_steps: int = 1) -> dict[str, int]:
        """Schedule, and let the model answer; returns what the last step scheduled."""
        scheduled: dict[str, int] = {}
        for _ in range(num_steps):
            output = self.engine.schedule()
            scheduled = output.num_scheduled_tokens
            if scheduled:
                self._in_flight.append((output, self.engine.emitting(output)))
            if self._in_flight and (len(self._in_flight) >= self._depth or not scheduled):
                output, emitting = self._in_flight.pop(0)
                self.engine.finish_step(output, emitting, self.lengths)
        return scheduled

    def finish(self, max_steps: int = 20_000) -> None:
        """Step until nothing is left; fails if that takes too many steps."""
        for _ in range(max_steps):
            if not (self.scheduler.has_requests() or self._in_flight):
                return
            self.step()
        pytest.fail(f"stalled: {self.running} run, {self.waiting} wait")

    def abort(self, *request_ids: str) -> None:
        """The clients hang up."""
        self.scheduler.finish_requests(request_ids, seam.RequestStatus.FINISHED_ABORTED)

    @property
    def running(self) -> list[str]:
        """Ids of the running requests, in the scheduler's order."""
        return [request.request_id for request in self.scheduler.running]

    @property
    def waiting(self) -> list[str]:
        """Ids of the waiting requests, the next one first."""
        return [request.request_id for request in self.scheduler.waiting]

    def assert_nothing_leaked(self) -> None:
        """All memory is free and nobody remembers a request."""
        scheduler = self.scheduler
        assert seam.num_free_blocks(scheduler) == self.engine.config.num_gpu_blocks - 1
        assert not scheduler.requests
        assert not scheduler.running
        assert len(scheduler.waiting) == 0
        assert len(scheduler.amin.ledger) == 0
        assert not scheduler.amin.intake._known
        if scheduler.amin.guard:
            assert scheduler.amin.guard.is_empty
        assert not scheduler.amin.lengths.survival[HELD, :, 1:].any()


@pytest.fixture(scope="session")
def engine_of() -> Callable[..., dry.DryEngine]:
    """`make_engine`, as a fixture."""
    return make_engine


@pytest.fixture(scope="session")
def job() -> Callable[..., Job]:
    """`make_job`, as a fixture."""
    return make_job


@pytest.fixture(scope="session")
def stepper() -> Callable[..., Stepper]:
    """A `Stepper` over `make_engine` of the same arguments."""
    return lambda *args, **settings: Stepper(make_engine(*args, **settings))


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make a predictor importable; returns its specification."""

    def install_(predictor: Predictor) -> str:
        module = types.ModuleType("third_party_predictor")
        vars(module)["make"] = lambda: predictor
        monkeypatch.setitem(sys.modules, "third_party_predictor", module)
        return "third_party_predictor:make"

    return install_
