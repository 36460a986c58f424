"""A plain vLLM server, started without amin's command, with AminScheduler as its scheduler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.live.server import VLLM, StartServer, fake_vllm
from tests.live.shape import Json

from amin import __version__

pytestmark = pytest.mark.live

SCHEDULER = ("--scheduler-cls", "amin.engine.vllm.AminScheduler")
BAD_HINT = {"vllm_xargs": {"amin_lower": "seven"}}


def test_additional_config(start_server: StartServer, tmp_path: Path) -> None:
    """--additional-config sets the policy; hints are ignored unless asked for.

    The scheduler itself says at start what it schedules by. A vLLM that is newer than any that was
    tested is warned of in one line; since this one decides as those that were, it serves.
    """
    settings = {"amin": {"policy": "amin-dynamic", "predictor": "constant:7"}}
    configured = (*SCHEDULER, "--additional-config", json.dumps(settings))
    environment: Json = fake_vllm(tmp_path, "0.99.0+cpu")
    server = start_server(VLLM, *configured, **environment)
    server.wait_until_ready()
    assert "amin: vLLM 0.99.0+cpu is newer than any that amin was tested with" in server.output()
    told = "policy amin-dynamic, predictor constant:7, tail promise 1, stream promise 10"
    told += ", client hints ignored"
    assert f"amin {__version__}: {told}" in server.output()
    answer = server.complete(max_tokens=9, **BAD_HINT)
    assert answer["usage"]["completion_tokens"] == 9


def test_environment_variable(start_server: StartServer) -> None:
    """AMIN_CONFIG sets the policy, and the hints that `HintMiddleware` checks."""
    settings = {"policy": "amax", "client_hints": True}
    middleware = ("--middleware", "amin.engine.vllm.HintMiddleware")
    server = start_server(VLLM, *SCHEDULER, *middleware, AMIN_CONFIG=json.dumps(settings))
    server.wait_until_ready()
    told = "policy amax, predictor online, tail promise 1, stream promise 10, client hints believed"
    assert f"amin {__version__}: {told}" in server.output()
    assert server.complete(max_tokens=9)["usage"]["completion_tokens"] == 9
    status, answer = server.post("/v1/completions", {"prompt": "x", **BAD_HINT})
    assert status == 400
    assert "vllm_xargs.amin_lower: got 'seven'" in answer["error"]["message"]
