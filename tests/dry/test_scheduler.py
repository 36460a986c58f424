"""How the scheduler is made, and when it refuses to be."""

from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest

from amin.engine.step_time import StepTime
from amin.engine.vllm import dry, seam, versions
from amin.engine.vllm.dry_config import DryConfig
from amin.engine.vllm.scheduler import AminAsyncScheduler, AminScheduler
from amin.errors import ConfigError, UnsupportedEngineError

pytestmark = pytest.mark.dry


def test_extends_the_scheduler_that_vllm_would_use(engine_of: Callable[..., Any]) -> None:
    """The asynchronous base class where scheduling is asynchronous, the plain one elsewhere."""
    assert type(engine_of(async_scheduling=False).scheduler) is AminScheduler
    asynchronous = engine_of(async_scheduling=True).scheduler
    assert type(asynchronous) is AminAsyncScheduler
    assert isinstance(asynchronous, seam.AsyncScheduler)


def test_vllm_finds_the_class_by_its_name() -> None:
    """The name of the command line is importable and is that class."""
    from vllm.utils.import_utils import resolve_obj_by_qualname

    assert resolve_obj_by_qualname("amin.engine.vllm.AminScheduler") is AminScheduler


def test_settings_come_from_the_environment_too(
    engine_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where vLLM's additional_config says nothing of amin, AMIN_CONFIG does."""
    config = engine_of("retract").scheduler.vllm_config
    monkeypatch.setenv("AMIN_CONFIG", '{"policy": "amax"}')
    with pytest.raises(ConfigError, match="differ from those in AMIN_CONFIG"):
        seam.build_scheduler(config, AminScheduler, 10)
    config.additional_config = {}
    scheduler = seam.build_scheduler(config, AminScheduler, 10)
    assert scheduler.amin.policy.name == "amax"


def test_a_wrong_setting_stops_the_start(engine_of: Callable[..., Any]) -> None:
    """An operator's mistake is not found at the first request."""
    config = engine_of().scheduler.vllm_config
    config.additional_config = {"amin": {"polciy": "amax"}}
    with pytest.raises(ConfigError, match="unknown setting 'polciy'"):
        seam.build_scheduler(config, AminScheduler, 10)


def test_a_vllm_without_what_we_need_is_refused(
    engine_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names what is missing, and the versions that have it."""
    monkeypatch.delattr(seam.Scheduler, "_preempt_request")
    with pytest.raises(UnsupportedEngineError, match=r"lacks Scheduler\._preempt_request; supp"):
        engine_of()


@pytest.mark.parametrize("version", ["0.32.0", "0.32.1", "0.32.1rc1+cpu"])
def test_the_tested_versions_are_accepted(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Patch releases and local builds of the range too."""
    monkeypatch.setattr(metadata, "version", lambda name: version)
    assert str(versions.require_supported_version()) == version


@pytest.mark.parametrize(
    ("name", "value"), [("num_gpu_blocks", 0), ("block_size", 0), ("max_num_seqs", -1)]
)
def test_a_dry_engine_needs_a_shape(name: str, value: int) -> None:
    """Numbers below 1 are refused by name."""
    with pytest.raises(ConfigError, match=f"{name}: got {value}, allowed: >= 1"):
        DryConfig(**{name: value})  # type: ignore[arg-type]


def test_a_dry_engine_knows_two_stock_schedulers() -> None:
    """A name that is neither is refused with both."""
    with pytest.raises(ConfigError, match="allowed: vllm-fcfs, vllm-priority"):
        dry.DryEngine(DryConfig(), "fcfs")


@pytest.mark.parametrize(("step", "token"), [(0, 0), (-1, 0), (1, -1), (float("nan"), 0)])
def test_time_goes_forward(step: float, token: float) -> None:
    """A step takes more than 0 s, a token not less than 0 s."""
    with pytest.raises(ConfigError, match="step time: got"):
        StepTime(step, token)


def test_a_step_costs_by_its_tokens() -> None:
    """Seconds per step plus seconds per scheduled token."""
    assert StepTime(0.03, 0.001)(20) == pytest.approx(0.05)
