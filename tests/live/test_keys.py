"""A server that asks for an API key: what is read before it is known, and what is told of it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from tests.live.server import AMIN_SERVE, LiveServer, StartServer, eventually, requests_in

pytestmark = pytest.mark.live

KEY = "sk-right"


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server writes a line for each request that ended."""
    return tmp_path_factory.mktemp("log") / "log.jsonl"


@pytest.fixture(scope="module")
def server(start_server: StartServer, log_file: Path) -> LiveServer:
    """With all that makes amin look at bodies, and vLLM's log of requests."""
    ours = ("--client-hints", "--log", str(log_file), "--log-prompts")
    server = start_server(AMIN_SERVE, *ours, "--api-key", KEY, "--enable-log-requests")
    server.wait_until_ready()
    return server


def _status(server: LiveServer, key: str, body: bytes, promised: int) -> int:
    """The status of the answer to a POST that promises so many bytes and sends `body`."""
    lines = [
        "POST /v1/completions HTTP/1.1",
        "host: x",
        "content-type: application/json",
        f"authorization: Bearer {key}",
        f"content-length: {promised}",
    ]
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return int(connection.recv(64).split()[1])


def test_a_wrong_key_is_refused_before_the_body_comes(server: LiveServer) -> None:
    """A body of 1.5 GB is promised and not a byte of it sent: the answer is there all the same."""
    assert _status(server, "sk-wrong", b"", 1_500_000_000) == 401


def test_a_key_is_told_to_the_engine_and_to_no_log(server: LiveServer, log_file: Path) -> None:
    """Each request's line has a name of its client, equal for equal keys, and its text; neither
    the key nor anything that amin writes into requests appears in vLLM's log of requests."""
    for max_tokens in (3, 4):
        body = {"model": "tiny", "prompt": "my text", "max_tokens": max_tokens, "ignore_eos": True}
        raw = json.dumps(body | {"vllm_xargs": {"amin_notes": "mine"}}).encode()
        assert _status(server, KEY, raw, len(raw)) == 200
    eventually(lambda: len(requests_in(log_file)) == 2, "two requests in the log")
    first, second = requests_in(log_file)
    assert first["prompt"] == second["prompt"] == "my text"
    assert first["client"] == second["client"]
    logged = server.output()
    assert "max_tokens=3" in logged
    assert KEY not in logged.split("Started server process")[-1]
    assert "'client'" not in logged
    assert '"client"' not in logged
