"""Malformed hints are refused with HTTP 400 before they reach the engine.

``amin serve`` installs it; on a plain server: ``--middleware amin.engine.vllm.HintMiddleware``.
It does nothing while client hints are off.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.hints import MAX_TOKENS, parse_hints
from amin.errors import HintError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class HintMiddleware:
    """An ASGI middleware; reads the settings from the environment (AMIN_CONFIG)."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._client_hints = AminConfig.from_vllm(None).client_hints

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on unchanged, or answer 400 naming the hint, its value, the allowed."""
        if not self._client_hints or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        messages = await _read_body(receive)
        body = b"".join(message.get("body", b"") for message in messages)
        try:
            _check(body)
        except HintError as error:
            await _refuse(send, error)
            return
        await self._app(scope, _replay(messages, receive), send)


def _check(body: bytes) -> None:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return  # vLLM has its own answer to that
    arguments = request.get("vllm_xargs") if isinstance(request, dict) else None
    if isinstance(arguments, dict):
        parse_hints(arguments, MAX_TOKENS)


async def _read_body(receive: Receive) -> list[Message]:
    messages = [await receive()]
    while messages[-1]["type"] == "http.request" and messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def _replay(messages: list[Message], receive: Receive) -> Receive:
    pending = iter(messages)

    async def replayed() -> Message:
        for message in pending:
            return message
        return await receive()

    return replayed


async def _refuse(send: Send, error: HintError) -> None:
    answer = {
        "error": {
            "message": f"vllm_xargs.{error}",
            "type": "BadRequestError",
            "param": f"vllm_xargs.{error.field}",
            "code": 400,
        }
    }
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})
