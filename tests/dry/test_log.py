"""What a server writes down of its requests can be read, replayed and trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from amin.cli.log import log as log_command
from amin.engine.simulator import SimulatedEngine, SimulatorConfig
from amin.errors import ConfigError
from amin.experiment.assumed import assumed, rests_on_a_guess
from amin.experiment.served_setting import as_told, fidelity
from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic
from amin.request import Request
from amin.workload.interface import Job
from amin.workload.log import read_log
from amin.workload.read import read_trace

pytestmark = pytest.mark.dry


def _jobs(shared: tuple[int, ...] = (7,) * 64) -> list[Job]:
    """Prompts that begin alike, of two clients; the last would go on beyond its cap."""
    return [
        Job(
            Request(
                f"r{i}", 70, 40, arrival_time=float(i), client=f"client-{i % 2}",
                prompt_token_ids=(*shared, *range(100 * i, 100 * i + 6)),
            ),
            10 + i if i < 9 else 99,
        )
        for i in range(10)
    ]  # fmt: skip


@pytest.fixture
def written(engine_of: Callable[..., Any], tmp_path: Path) -> Path:
    """The log of `_jobs`."""
    path = tmp_path / "log.jsonl"
    engine = engine_of("amin-dynamic", log_file=str(path), client_hints=True, num_gpu_blocks=60)
    engine.run(_jobs())
    engine.scheduler.shutdown()
    return path


def test_each_request_is_a_line_when_it_ends(written: Path) -> None:
    """Its lengths, its cap, whether it was cut, in the order of arrival."""
    log = read_log(written)
    assert (log.trace.num_prompt_tokens == 70).all()
    assert log.trace.num_output_tokens.tolist() == [*range(10, 19), 41]
    assert log.is_cut.tolist() == [False] * 9 + [True]
    assert log.trace.max_tokens.tolist() == [40] * 10
    assert written.read_text().count('"believed_lower": ') == 10
    assert np.diff(log.trace.arrival_time) == pytest.approx(1.0)


def test_names_and_tokens_are_not_in_it(written: Path) -> None:
    """Clients are told apart and prompts that begin alike are; neither can be read."""
    text = written.read_text()
    assert "client-" not in text
    assert '"prompt"' not in text
    trace = read_log(written).trace
    assert len(set(trace.client)) == 2
    assert trace.client[0] == trace.client[2] != trace.client[1]
    first, second = trace.prompt_token_ids[:2]
    assert first[:64] == second[:64]
    assert 7 not in first


def test_two_runs_hash_differently(
    engine_of: Callable[..., Any], written: Path, tmp_path: Path
) -> None:
    """The salt is forgotten: nobody can look names up in a table made later."""
    path = tmp_path / "other.jsonl"
    engine = engine_of("amin-dynamic", log_file=str(path), client_hints=True, num_gpu_blocks=60)
    engine.run(_jobs())
    engine.scheduler.shutdown()
    clients = [set(read_log(one).trace.client) for one in (written, path)]
    assert not clients[0] & clients[1]


def test_a_second_run_appends(engine_of: Callable[..., Any], written: Path) -> None:
    """Nothing is lost at a restart."""
    engine = engine_of("amin-dynamic", log_file=str(written), num_gpu_blocks=60)
    engine.run(_jobs()[:3])
    engine.scheduler.shutdown()
    assert len(read_log(written).trace) == 13


def test_it_can_be_simulated(written: Path) -> None:
    """As any trace; cut replies are cut there, too."""
    config = SimulatorConfig(num_blocks=60, block_size=16, enable_prefix_caching=True)
    result = SimulatedEngine(config, "vllm-fcfs").run(read_trace(written))
    assert [r.num_output_tokens for r in result.records] == [*range(10, 19), 40]


def test_amin_log_says_what_is_in_it(written: Path) -> None:
    """Requests, lengths, what was cut, clients."""
    output = CliRunner().invoke(log_command, [str(written)]).output
    for words in ("10 requests", "reply: 17 tokens", "10.0% of the replies", "clients: 2"):
        assert words in output


def test_a_file_that_cannot_be_written_stops_the_start(engine_of: Callable[..., Any]) -> None:
    """Named with the reason: a folder that does not exist, one that is no file."""
    with pytest.raises(ConfigError, match=r"log_file: got '/nowhere/l', but /nowhere is no folder"):
        engine_of("amin-dynamic", log_file="/nowhere/l")
    with pytest.raises(ConfigError, match=r"log_file: /tmp: cannot be written \(Is a directory"):
        engine_of("amin-dynamic", log_file="/tmp")


def test_a_full_disk_costs_lines_and_nothing_else(
    engine_of: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The engine goes on; the lines are counted."""
    engine = engine_of("amin-dynamic", log_file="/dev/full", num_gpu_blocks=60)
    result = engine.run(_jobs())
    engine.scheduler.shutdown()
    assert all(record.num_output_tokens for record in result.records)
    # The requests, what the server is, and rows of steps.
    assert engine.scheduler.amin.intake.log.num_lost == 10 + 1 + 7


def test_a_log_says_what_its_server_was(written: Path) -> None:
    """The shape that a simulation needs, in its first line."""
    first = json.loads(written.read_text().splitlines()[0])["server"]
    assert first["kv_tokens"] == 59 * 4
    assert (first["block_size"], first["policy"]) == (4, "amin-dynamic+off~off")
    served = read_log(written).served
    assert served is not None
    assert served.server.max_num_seqs == first["max_num_seqs"]
    assert np.isfinite(served.e2e_latency).all()


def test_a_log_alone_is_simulated_as_it_was_served(
    engine_of: Callable[..., Any], tmp_path: Path
) -> None:
    """Nothing is told: memory, limits and the time of steps are the log's, latencies are equal."""
    path = tmp_path / "log.jsonl"
    engine = engine_of(
        "expected-volume", log_file=str(path), num_gpu_blocks=200, block_size=16,
        seconds_per_step=0.03, tail_promise=1.0, stream_promise=10.0,
    )  # fmt: skip
    jobs = Traffic("lmsys-like", 400, load=1.3).trace(1, Setting(200 * 16).config)
    engine.run(list(jobs))
    engine.scheduler.shutdown()
    traffic = Traffic(str(path))
    setting = Setting(**as_told(traffic, None, {}))
    assert setting.kv_tokens == 199 * 16
    assert not rests_on_a_guess(setting)
    step, memory, *_ = assumed(setting, traffic.served)
    assert step.source.startswith("the log, ")
    assert memory.source == "the log"
    found = fidelity(traffic, setting)
    assert found is not None
    assert found.num_requests == 400
    assert found.mean == pytest.approx(1.0, abs=1e-3)
    assert found.p99 == pytest.approx(1.0, abs=1e-3)
    assert setting.config.step_time(7) == pytest.approx(0.03)
    with pytest.raises(ConfigError, match="--kv-tokens: missing, allowed"):
        as_told(Traffic("lmsys-like"), None, {})
