"""OpenAI-compatible servers on the loopback interface, and a client for them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.live.shape import ENVIRONMENT, SHAPE, Json

START_DEADLINE = 240.0
REQUEST_DEADLINE = 60.0

AMIN = [sys.executable, "-c", "from amin.cli import main; main()"]
AMIN_SERVE = [*AMIN, "serve"]
VLLM = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model"]


class LiveServer:
    """An OpenAI-compatible server on the loopback interface, in a process of its own."""

    def __init__(
        self, command: list[str], options: Sequence[str], environment: dict[str, str], log: Path
    ) -> None:
        self.log = log
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        listening = ["--host", "127.0.0.1", "--port", str(self.port)]
        command = [*command, *listening, "--served-model-name", "tiny", *_shape_options(), *options]
        variables = {**os.environ, **ENVIRONMENT, "VLLM_LOGGING_LEVEL": "INFO", **environment}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=variables, stdout=output, stderr=output, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        """Return once /health answers; fails with the log if the server ends or hangs before."""
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.get("/health")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        pytest.fail(f"the server did not start: {self.output()[-4000:]}")

    def output(self) -> str:
        """What it wrote so far."""
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        """End it and all that it started."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @contextmanager
    def _exchange(
        self, method: str, path: str, body: bytes | None, **headers: str
    ) -> Iterator[Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_DEADLINE)
        try:
            connection.request(method, path, body, {"content-type": "application/json", **headers})
            yield connection.getresponse()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        with self._exchange("GET", path, None) as response:
            return response.status, response.read().decode()

    def post(self, path: str, body: Json | bytes, **headers: str) -> tuple[int, Json]:
        """Status and JSON of the answer to a body that no client would send.

        `body` in bytes is sent as it is.
        """
        raw = body if isinstance(body, bytes) else json.dumps({"model": "tiny", **body}).encode()
        with self._exchange("POST", path, raw, **headers) as response:
            return response.status, json.loads(response.read())

    @cached_property
    def client(self) -> openai.OpenAI:
        """OpenAI's own client, as users have it; each call is made once, and on the loopback."""
        return openai.OpenAI(
            base_url=f"http://127.0.0.1:{self.port}/v1",
            api_key="none",
            max_retries=0,
            timeout=REQUEST_DEADLINE,
            http_client=openai.DefaultHttpxClient(trust_env=False),
        )

    def complete(self, **body: Any) -> Json:
        """A greedy completion that must succeed; see `COMPLETION` for what it asks by default."""
        answer = self.client.completions.create(**_arguments(COMPLETION | body))
        return dict(answer.model_dump())

    def chat(self, **body: Any) -> Json:
        """An answer to a chat, which must succeed."""
        answer = self.client.chat.completions.create(**_arguments(body))
        return dict(answer.model_dump())

    @contextmanager
    def stream(self, path: str, **body: Any) -> Iterator[Iterator[Json]]:
        """The chunks of a streamed answer as they come; leaving early hangs up."""
        api: Any = self.client.completions if path == COMPLETIONS else self.client.chat.completions
        with api.create(**_arguments(body), stream=True) as chunks:
            yield (chunk.model_dump() for chunk in chunks)

    def metric(self, name: str, **labels: str) -> float:
        """The value of one of the metrics that the server exports, summed over other labels."""
        from prometheus_client.parser import text_string_to_metric_families

        values = [
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics")[1])
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert values, f"the server exports no metric {name} {labels}"
        return float(sum(values))


COMPLETIONS = "/v1/completions"
COMPLETION: Json = {
    "prompt": "the rain in the plain",
    "max_tokens": 40,
    "temperature": 0,
    "ignore_eos": True,
}


def _shape_options() -> Iterator[str]:
    for name, value in SHAPE.items():
        flag = f"--{name.replace('_', '-')}"
        yield flag if value is True else f"{flag}={value}"


def _arguments(body: Json) -> Json:
    """What OpenAI's client knows as arguments, and what only vLLM knows as its extra body."""
    extra = {name: body[name] for name in ("ignore_eos", "vllm_xargs") if name in body}
    known = {name: value for name, value in body.items() if name not in extra}
    return {"model": "tiny", **known, "extra_body": extra}


def fake_vllm(directory: Path, version: str) -> dict[str, str]:
    """An environment in which the installed vLLM claims to be of this version."""
    metadata = directory / f"vllm-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
    return {"PYTHONPATH": os.pathsep.join([str(directory), os.environ.get("PYTHONPATH", "")])}


def requests_in(log_file: Path) -> list[Json]:
    """The lines of a server's log that are requests; it tells of the server and its steps, too."""
    lines = [json.loads(line) for line in log_file.read_text("utf-8").splitlines()]
    return [line for line in lines if "num_output_tokens" in line]


def eventually(is_true: Callable[[], bool], what: str) -> None:
    """Poll until it is true; fails after `REQUEST_DEADLINE` seconds, saying what never came."""
    deadline = time.monotonic() + REQUEST_DEADLINE
    while not is_true():
        if time.monotonic() > deadline:
            pytest.fail(f"never happened: {what}")
        time.sleep(0.05)


StartServer = Callable[..., LiveServer]
"""``start(AMIN_SERVE or VLLM, *options, **environment)``: does not wait for the server."""
