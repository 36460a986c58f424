"""What a scheduler tells of itself to Prometheus is what it did."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic

pytestmark = pytest.mark.dry


def _metrics(engine: Any, **settings: Any) -> Any:
    """The engine's metrics, in a registry of their own."""
    from prometheus_client import CollectorRegistry

    from amin.engine.vllm.config import AminConfig
    from amin.engine.vllm.metrics import Metrics

    registry = CollectorRegistry()
    engine.scheduler.amin_metrics = Metrics(AminConfig(**settings), 0, registry)
    return registry


def _value(registry: Any, name: str, **labels: str) -> float:
    value = registry.get_sample_value(name, {**labels, "engine": "0"})
    assert value is not None, name
    return float(value)


@pytest.fixture
def engine(engine_of: Callable[..., Any]) -> Any:
    """A tight cache under the default."""
    return engine_of(
        "expected-volume", num_gpu_blocks=200, block_size=16, seconds_per_step=0.03,
        predictor="online", tail_promise=1.0, stream_promise=10.0,
    )  # fmt: skip


def test_counts_are_those_of_the_run(engine: Any) -> None:
    """Preemptions, steps, who went by promise; each counter ends at what was counted."""
    registry = _metrics(engine)
    jobs = Traffic("lmsys-like", 300, load=1.5).trace(1, Setting(200 * 16).config)
    result = engine.run(list(jobs))
    scheduler = engine.scheduler
    scheduler.amin_metrics.update(scheduler.amin, scheduler.amin_boundary, "on", engine.clock)
    num_preemptions = sum(record.num_preemptions for record in result.records)
    assert num_preemptions > 0
    assert _value(registry, "amin_preempted_total") == num_preemptions
    lost = sum(record.num_lost_tokens for record in result.records)
    assert _value(registry, "amin_preempted_tokens_total") == lost
    assert _value(registry, "amin_steps_total") == result.num_steps
    paused = sum(record.longest_pause > 1 for record in result.records)
    assert _value(registry, "amin_readers_paused_total") == paused
    assert 0 < _value(registry, "amin_gone_by_promise_total") < 600
    assert _value(registry, "amin_decision_seconds_total") > 0
    assert _value(registry, "amin_is_off") == 0


def test_the_queue_is_told_by_age_and_its_end_foretold(stepper: Callable[..., Any]) -> None:
    """While it waits: how many, since when, and how long until all of them have been served.

    Foretold when half of the replies have ended, and compared with when it came true.
    """
    steps = stepper(
        "expected-volume", predictor="online", num_gpu_blocks=200, block_size=16, tail_promise=1.0,
        stream_promise=10.0,
    )  # fmt: skip
    engine, scheduler = steps.engine, steps.engine.scheduler
    registry = _metrics(engine)
    steps.add(*Traffic("lmsys-like", 160).trace(1, Setting(3200).config))

    def until(is_true: Callable[[], bool]) -> None:
        while not is_true():
            steps.step()
            engine.clock += 1.0

    until(lambda: len(scheduler.requests) <= 80)
    num_waiting = len(scheduler.waiting)
    assert num_waiting > 20
    scheduler.amin_metrics.update(scheduler.amin, scheduler.amin_boundary, "on", engine.clock)
    ages = ("1", "10", "60", "600", "more than 600")
    by_age = [_value(registry, "amin_waiting_requests", age=age) for age in ages]
    assert sum(by_age) == num_waiting
    assert _value(registry, "amin_oldest_waiting_seconds") == engine.clock
    foretold, start = _value(registry, "amin_predicted_wait_seconds"), engine.clock
    until(lambda: not len(scheduler.waiting))
    assert 0.4 < foretold / (engine.clock - start) < 2.5
    scheduler.amin_metrics.update(scheduler.amin, scheduler.amin_boundary, "on", engine.clock)
    assert _value(registry, "amin_predicted_wait_seconds") == pytest.approx(0, abs=1e-6)


def test_settings_and_what_foretells_lengths_are_there(engine: Any) -> None:
    """As labels, so that a dashboard can show who decides."""
    registry = _metrics(engine, tail_promise=0.9)
    engine.run(list(Traffic("lmsys-like", 20, load=1.0).trace(1, Setting(3200).config)))
    (sample,) = [
        sample
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "amin_info"
    ]
    assert sample.labels["policy"] == "expected-volume"
    assert (sample.labels["tail_promise"], sample.labels["stream_promise"]) == ("0.9", "10")
    features = [
        sample.labels["feature"]
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "amin_lengths_nats"
    ]
    assert len(features) >= 5


def test_a_fault_is_counted_where_it_happened(engine: Any) -> None:
    """And where amin gives up, that is to be seen."""
    registry = _metrics(engine)

    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    engine.scheduler.amin.memory.victims = broken
    engine.run(list(Traffic("lmsys-like", 20, load=1.0).trace(1, Setting(3200).config)))
    scheduler = engine.scheduler
    scheduler.amin_metrics.update(scheduler.amin, scheduler.amin_boundary, "on", engine.clock)
    assert _value(registry, "amin_faults_total", place="victims") == 3
    assert _value(registry, "amin_is_off") == 1


def test_nothing_is_measured_where_nobody_collects(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a plain server without the folder; with it, there is."""
    from amin.engine.vllm.config import AminConfig
    from amin.engine.vllm.metrics import metrics_of

    assert engine.scheduler.amin_metrics is None
    assert metrics_of(AminConfig(), 0) is None
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nowhere")
    with pytest.MonkeyPatch.context() as patch:
        made: list[int] = []
        patch.setattr("amin.engine.vllm.metrics.Metrics", lambda config, rank: made.append(rank))
        metrics_of(AminConfig(), 3)
        assert made == [3]


def test_folders_of_servers_that_are_gone_are_removed(tmp_path: Path) -> None:
    """Those of servers that run are not; a new server's is empty."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f"amin-server-{ended.pid}").mkdir()
    (tmp_path / "amin-server-1").mkdir()
    code = "from amin.engine.vllm.server_folder import share_a_folder as f; e = {}; f(e); print(e)"
    environment = {"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    named = ast.literal_eval(run.stdout)
    own = Path(named["PROMETHEUS_MULTIPROC_DIR"])
    assert Path(named["AMIN_MODE_FILE"]) == own / "mode.json"
    assert own.parent == tmp_path
    assert not list(own.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {own.name, "amin-server-1"}
