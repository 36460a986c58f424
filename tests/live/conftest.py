"""A tiny model with random weights, an engine in this process, and servers beside it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.live.in_process import LiveEngine, StartEngine
from tests.live.server import LiveServer, StartServer
from tests.live.shape import ENVIRONMENT, Json
from tests.live.tiny_model import write_tiny_model


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """What vLLM needs to run offline, and inside this process where it is asked to."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed (pip install -e '.[cpu]')")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("VLLM_LOGGING_LEVEL", os.environ.get("VLLM_LOGGING_LEVEL", "ERROR"))
        patch.delenv("AMIN_CONFIG", raising=False)
        yield


@pytest.fixture(scope="session")
def tiny_model(environment: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's directory."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def start_engine(tiny_model: Path) -> Iterator[StartEngine]:
    """Starts an engine in this process, where there can be but one."""
    engines: list[LiveEngine] = []

    def start(amin: Json | None = None, **options: Any) -> LiveEngine:
        while engines:
            engines.pop().close()
        engines.append(LiveEngine(tiny_model, amin, **options))
        return engines[-1]

    yield start
    while engines:
        engines.pop().close()


@pytest.fixture(scope="module")
def start_server(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartServer]:
    """Starts servers of the tiny model and ends them with the module.

    ``start(AMIN_SERVE or VLLM, *options, **environment)`` does not wait for the server.
    """
    servers: list[LiveServer] = []

    def start(command: list[str], *options: str, **environment: str) -> LiveServer:
        log = tmp_path_factory.mktemp("server") / "log.txt"
        servers.append(LiveServer([*command, str(tiny_model)], options, environment, log))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
