"""``/amin`` on the server: what amin is and does, and a switch for who knows the token.

Answered before vLLM sees the request. ``GET`` says version, settings and the mode of each engine,
as vLLM's own ``/version`` and ``/metrics`` do, to anybody. ``POST {"mode": "off"}`` needs the token
that `TOKEN_VARIABLE` has, and is not there (404) where that is not set.
"""

from __future__ import annotations

import hmac
import json
import os
from typing import Any

from amin import __version__
from amin.engine.settings import promise_in_words
from amin.engine.vllm.asgi import Message, Receive, Send, send_json
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.mode import ModeFile
from amin.errors import ConfigError

PATH = "/amin"
TOKEN_VARIABLE = "AMIN_CONTROL_TOKEN"
LONGEST_BODY = 1024


class Control:
    """Answers for a server with these settings."""

    def __init__(self, config: AminConfig, file: ModeFile) -> None:
        self._config, self._file = config, file
        self._token = os.environ.get(TOKEN_VARIABLE, "")

    async def answer(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request to `PATH`."""
        if scope["method"] == "GET":
            status, answer = 200, self._state()
        elif scope["method"] != "POST" or not (self._token and self._file.is_there):
            status, answer = 404, {"error": f"a switch needs {TOKEN_VARIABLE}, and amin serve"}
        elif not self._is_known(scope):
            status, answer = 401, {"error": "wrong token"}
        else:
            status, answer = self._switch(await _body(receive))
        await send_json(send, status, answer)

    def _state(self) -> dict[str, Any]:
        config = self._config
        return {
            "version": __version__,
            "policy": config.policy,
            "predictor": config.predictor,
            "tail_promise": promise_in_words(config.tail_promise),
            "stream_promise": promise_in_words(config.stream_promise),
            "mode": self._file.asked() or config.mode,
            "engines": self._file.told(),
        }

    def _switch(self, body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            asked = json.loads(body)
            self._file.ask(asked.get("mode") if isinstance(asked, dict) else asked)
        except (ValueError, ConfigError, RecursionError) as error:
            return 400, {"error": str(error)}
        except OSError as error:
            return 500, {"error": f"{error.strerror}: nothing was changed"}
        return 200, self._state()

    def _is_known(self, scope: Message) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, b"Bearer " + self._token.encode())


async def _body(receive: Receive) -> bytes:
    """What was sent, or so much of it that it is refused."""
    body = b""
    while len(body) <= LONGEST_BODY:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body
