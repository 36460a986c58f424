"""What the engine itself cannot see or refuse: API keys, texts, and malformed hints.

``amin serve`` installs it; on a plain server: ``--middleware amin.engine.vllm.HintMiddleware``.
A request with a key is told to the engine by a hash of it (`API_KEY` in `amin.engine.vllm.hints`),
so that the lengths of one client's replies can be learned together. A predictor that reads texts is
asked here, and the engine is told its answer (`PREDICTED`), and the text itself where that is to be
logged (`PROMPT`). Where client hints are on, malformed
ones are refused with HTTP 400. All else passes byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.hints import (
    API_KEY,
    MAX_TOKENS,
    PREDICTED,
    PROMPT,
    parse_hints,
    with_prediction,
)
from amin.engine.vllm.reader import TextReader
from amin.errors import HintError
from amin.predictor.foretold import api_side
from amin.prompt_text import both_ends, prompt_text

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


KEYED_PATHS = "/completions", "/responses", "/messages"
"""Where vLLM takes `vllm_xargs`; elsewhere it may refuse a body that has them."""


class HintMiddleware:
    """An ASGI middleware; reads the settings from the environment (AMIN_CONFIG)."""

    def __init__(self, app: App) -> None:
        self._app = app
        config = AminConfig.from_vllm(None)
        self._client_hints = config.client_hints
        predictor = api_side(config.predictor)
        self._reader = TextReader(predictor) if predictor else None
        self._log_prompts = config.log_prompts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400 naming the hint, its value and what is allowed."""
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        is_noted = is_post and scope["path"].endswith(KEYED_PATHS)
        key = _hashed_key(scope) if is_noted else None
        is_noted = is_noted and bool(key or self._reader or self._log_prompts)
        if not is_noted and not (is_post and self._client_hints):
            await self._app(scope, receive, send)
            return
        messages = await _read_body(receive)
        request = _parse(b"".join(message.get("body", b"") for message in messages))
        if request is not None:
            try:
                if self._client_hints:
                    parse_hints(request["vllm_xargs"], MAX_TOKENS)
            except HintError as error:
                await _refuse(send, error)
                return
            if is_noted:
                await self._note(request, key)
                scope, messages = _rewritten(scope, request)
        await self._app(scope, _replay(messages, receive), send)

    async def _note(self, request: dict[str, Any], key: str | None) -> None:
        """Write into the request what the engine is to know, over whatever the client sent."""
        notes: dict[str, str | None] = {}
        if key:
            notes[API_KEY] = key
        if self._reader:
            estimate = await self._reader.read(request)
            notes[PREDICTED] = with_prediction(estimate) if estimate else None
        if self._log_prompts:
            prompt = prompt_text(request)
            notes[PROMPT] = None if prompt is None else "".join(both_ends(prompt))
        for name, value in notes.items():
            request["vllm_xargs"].pop(name, None)
            if value is not None:
                request["vllm_xargs"][name] = value


def _hashed_key(scope: Message) -> str | None:
    """A name for the key in the Authorization header that does not tell the key."""
    given = dict(scope["headers"]).get(b"authorization")
    return hashlib.blake2b(given, digest_size=12).hexdigest() if given else None


def _rewritten(scope: Message, request: dict[str, Any]) -> tuple[Message, list[Message]]:
    body = json.dumps(request).encode()
    headers = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
    headers.append((b"content-length", b"%d" % len(body)))
    return {**scope, "headers": headers}, [{"type": "http.request", "body": body}]


def _parse(body: bytes) -> dict[str, Any] | None:
    """The request with an object for its vllm_xargs; None where vLLM has its own answer to it."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(request, dict):
        return None
    if request.setdefault("vllm_xargs", {}) is None:
        request["vllm_xargs"] = {}
    return request if isinstance(request["vllm_xargs"], dict) else None


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
