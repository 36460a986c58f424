"""A predictor that reads prompts, on a real server, and the log that it could be trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.live.server import AMIN_SERVE, StartServer, requests_in

from amin.predictor.training import Replies, train
from amin.workload.log import read_log

pytestmark = pytest.mark.live


@pytest.mark.parametrize("spec", ["text:{}", "calibrated:text:{}", "similar"])
def test_prompts_are_read_and_logged(start_server: StartServer, tmp_path: Path, spec: str) -> None:
    """Of completions and of chats; each line has the text, and what was foretold from it."""
    prompts = [f"{kind} {i}" for i in range(60) for kind in ("essay", "word")]
    lengths = np.array([40, 5] * 60)
    train(Replies(prompts, lengths, np.zeros(120, bool), [""] * 120)).write(tmp_path / "m.npz")
    log = tmp_path / "log.jsonl"
    predictor = spec.format(tmp_path / "m.npz")
    options = ("--predictor", predictor, "--log", str(log), "--log-prompts")
    server = start_server(AMIN_SERVE, *options)
    server.wait_until_ready()
    for number in range(20):
        kind, limit = ("essay", 40) if number % 2 else ("word", 5)
        text = f"{kind} {number}"
        if number % 4 < 2:
            body = {"prompt": text, "max_tokens": limit, "ignore_eos": True, "model": "tiny"}
            status, _ = server.post("/v1/completions", body)
        else:
            message = [{"role": "user", "content": text}]
            body = {"messages": message, "max_tokens": limit, "ignore_eos": True, "model": "tiny"}
            status, _ = server.post("/v1/chat/completions", body)
        assert status == 200
    server.stop()
    trace = read_log(log).trace
    assert sorted(trace.prompt) == sorted(f"{'essay' if n % 2 else 'word'} {n}" for n in range(20))
    if spec == "similar":
        return
    for line in requests_in(log):
        is_essay = line["prompt"].startswith("essay")
        assert line["num_output_tokens"] == (40 if is_essay else 5)
        assert (line["believed_lower"] > 5) == is_essay
