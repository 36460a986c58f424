"""Two engines behind one server (`--data-parallel-size 2`): the settings reach both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.live.server import AMIN_SERVE, StartServer, eventually, requests_in

pytestmark = pytest.mark.live

NUM_REQUESTS = 24


def test_each_engine_has_the_settings_and_files_of_its_own(
    start_server: StartServer, tmp_path: Path
) -> None:
    """Both say the promise that was asked for, each request is in the log of the engine that served
    it, and each engine saves what it has learned under a name of its own."""
    log, lengths = tmp_path / "log.jsonl", tmp_path / "lengths.npz"
    files = ("--log", str(log), "--lengths-file", str(lengths))
    server = start_server(AMIN_SERVE, "--data-parallel-size=2", "--tail-promise=0.9", *files)
    server.wait_until_ready()
    with ThreadPoolExecutor(8) as clients:
        answers = clients.map(lambda i: server.complete(max_tokens=20 + i), range(NUM_REQUESTS))
        made = [answer["usage"]["completion_tokens"] for answer in answers]
    assert made == [20 + i for i in range(NUM_REQUESTS)]
    server.process.terminate()
    assert server.process.wait(60) == 0
    logs = log, tmp_path / "log-rank1.jsonl"
    told = [requests_in(path) for path in logs]
    assert all(told)
    lengths_told = sorted(line["num_output_tokens"] for lines in told for line in lines)
    assert lengths_told == made
    both = lengths, tmp_path / "lengths-rank1.npz"
    eventually(lambda: all(path.exists() for path in both), "both engines have saved")
    assert server.output().count("tail promise 0.9") == 2
