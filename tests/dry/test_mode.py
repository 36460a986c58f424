"""In shadow and off vLLM decides as it does without amin; the switch loses nobody."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.dry.simulated import everything_decided

from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic
from amin.predictor.survival import FINISHED
from amin.workload.trace import Trace

pytestmark = pytest.mark.dry

DEFAULT = {"predictor": "online", "tail_promise": 1.0, "stream_promise": 10.0}
SHAPE = {"num_gpu_blocks": 200, "block_size": 16, "seconds_per_step": 0.03}
WAYS: dict[str, dict[str, Any]] = {
    "sync": {},
    "async": {"async_scheduling": True},
    "prefix-caching": {"enable_prefix_caching": True},
    "few-seats": {"max_num_batched_tokens": 128, "max_num_seqs": 12},
    "watermark": {"watermark": 0.05},
}


@pytest.fixture(scope="module", params=["lmsys-like", "templates"])
def jobs(request: pytest.FixtureRequest) -> Trace:
    """More than the cache can take."""
    return Traffic(request.param, 200, load=1.6).trace(2, Setting(3200).config)


@pytest.mark.parametrize("mode", ["shadow", "off"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_vllm_decides(
    engine_of: Callable[..., Any], jobs: Trace, way: dict[str, Any], mode: str
) -> None:
    """Every time, every preemption, every block at every step is that of stock vLLM."""
    ours = engine_of("expected-volume", mode=mode, **DEFAULT, **SHAPE, **way).run(list(jobs))
    stock = engine_of("vllm-fcfs", **SHAPE, **way).run(list(jobs))
    assert everything_decided(ours) == everything_decided(stock)
    assert sum(record.num_preemptions for record in stock.records) > 0 or "max_num_seqs" in way


def test_priorities_are_vllms_own_in_shadow(engine_of: Callable[..., Any], jobs: Trace) -> None:
    """With --scheduling-policy priority all latencies together are within 3 % of stock's.

    Not equal: stock ends a step where it preempts the very request that asked for a block.
    """
    totals = []
    ours = "expected-volume", DEFAULT | {"mode": "shadow"}
    for name, settings in (ours, ("vllm-priority", {})):
        engine = engine_of(name, scheduling_policy="priority", **SHAPE, **settings)
        ended = [r for r in engine.run(list(jobs)).records if r.status == "finished"]
        totals.append((len(ended), sum(r.finish_time - r.arrival_time for r in ended)))
    assert totals[0][0] == totals[1][0]
    assert totals[0][1] == pytest.approx(totals[1][1], rel=0.03)


def test_shadow_learns_and_counts_what_it_would_have_done(
    engine_of: Callable[..., Any], jobs: Trace
) -> None:
    """As many lengths are learned as when it decides; often somebody else would have gone next."""
    shadow = engine_of("expected-volume", mode="shadow", **DEFAULT, **SHAPE)
    acting = engine_of("expected-volume", **DEFAULT, **SHAPE)
    for engine in (shadow, acting):
        engine.run(list(jobs))
    ours, others = shadow.scheduler.amin, acting.scheduler.amin
    assert ours.tally.looked_on > 50
    assert 0.2 < ours.tally.would_differ / ours.tally.looked_on <= 1
    assert others.tally.looked_on == 0
    learned = [amin.lengths.survival[FINISHED, 0].sum() for amin in (ours, others)]
    assert learned[0] == pytest.approx(learned[1], rel=0.01)
    assert learned[0] > 10


@pytest.mark.parametrize("seed", range(4))
def test_nobody_is_lost_by_switching(engine_of: Callable[..., Any], jobs: Trace, seed: int) -> None:
    """Between any two modes, at any step: replies end whole, and the books are empty at last."""
    caching = {"enable_prefix_caching": bool(seed % 2)}
    engine = engine_of("expected-volume", **DEFAULT, **SHAPE, **caching)
    scheduler, rng = engine.scheduler, random.Random(seed)
    schedule, modes = scheduler.schedule, []

    def switching(*args: Any, **kwargs: Any) -> Any:
        if rng.random() < 0.02:
            scheduler._mode_watch.mode = rng.choice(["on", "shadow", "off"])
            modes.append(scheduler._mode_watch.mode)
        return schedule(*args, **kwargs)

    scheduler.schedule = switching
    result = engine.run(list(jobs))
    stock = engine_of("vllm-fcfs", **SHAPE, **caching).run(list(jobs))
    assert len(set(modes)) == 3
    made, others = (
        {record.request_id: (record.status, record.num_output_tokens) for record in run.records}
        for run in (result, stock)
    )
    assert made == others
    assert scheduler.amin.guard.is_empty
    assert scheduler.amin.streams.is_empty
    assert not scheduler.amin_boundary.faults


def test_an_engine_does_what_the_file_asks_and_says_so(
    engine_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jobs: Trace
) -> None:
    """Within a second, by the engine's own thread; nonsense in the file changes nothing."""
    path = tmp_path / "mode.json"
    monkeypatch.setenv("AMIN_MODE_FILE", str(path))
    engine = engine_of("expected-volume", **DEFAULT, **SHAPE)
    watch = engine.scheduler._mode_watch

    def until(is_true: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not is_true():
            assert time.monotonic() < end
            time.sleep(0.02)

    path.write_text('{"mode": "off"}')
    until(lambda: watch.mode == "off")
    engine.run(list(jobs)[:5])
    assert engine.scheduler.amin_mode == "off"
    told = tmp_path / "mode.json.engine-0"
    until(lambda: told.exists() and json.loads(told.read_text())["mode"] == "off")
    path.write_text('{"mode": "sideways"}')
    time.sleep(0.5)
    assert watch.mode == "off"
    path.write_text("not JSON")
    time.sleep(0.5)
    assert watch.mode == "off"
