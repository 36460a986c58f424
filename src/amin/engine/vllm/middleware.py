"""What the engine itself cannot see or refuse: API keys, texts, and malformed hints.

``amin serve`` installs it; on a plain server: ``--middleware amin.engine.vllm.HintMiddleware``.
vLLM puts it outside its own check of API keys, so nothing of a request is read here that the
application has not asked for: a request with a wrong key is answered before its body is looked at.
What is found is noted (`amin.engine.vllm.notes`) and travels with the request; bodies are never
changed. A body is parsed only where hints are to be checked or a text to be read, and only one of
at most `LONGEST_BODY` bytes. Where client hints are on, malformed ones are refused with HTTP 400.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from amin.engine.secret import server_secret
from amin.engine.vllm.asgi import App, Message, Receive, Send, send_json
from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.control import PATH as CONTROL_PATH
from amin.engine.vllm.control import Control
from amin.engine.vllm.hints import MAX_TOKENS, parse_hints
from amin.engine.vllm.mode import ModeFile
from amin.engine.vllm.notes import CURRENT, Notes
from amin.engine.vllm.reader import TextReader
from amin.errors import HintError
from amin.predictor.features import keyed_hash
from amin.predictor.foretold import api_side
from amin.predictor.seldom import Seldom
from amin.prompt_text import both_ends, prompt_text

LONGEST_BODY = 256 * 1024
"""Bytes of a body that is parsed, which takes a millisecond. Longer ones (images, books) pass
without a look: their hints are the engine's to ignore, and nothing is foretold of them."""

_LOGGER = logging.getLogger(__name__)


def _carry_notes() -> None:
    from amin.engine.vllm.seam.frontend import carry_notes

    carry_notes()


class HintMiddleware:
    """An ASGI middleware; reads the settings from the environment (AMIN_CONFIG).

    `carry_notes` makes requests take along what is noted of them; vLLM gives `app` alone.
    """

    def __init__(self, app: App, carry_notes: Callable[[], None] = _carry_notes) -> None:
        self._app = app
        config = AminConfig.from_vllm(None)
        self._client_hints = config.client_hints
        predictor = api_side(config.predictor)
        self._reader = TextReader(predictor) if predictor else None
        self._log_prompts = config.log_prompts
        self._parses = self._client_hints or predictor is not None or config.log_prompts
        self._secret = server_secret(config.lengths_file)
        self._seldom = Seldom()
        self._control = Control(config, ModeFile())
        try:
            carry_notes()
        except Exception as error:  # a vLLM that hands requests on in another way
            _LOGGER.warning("amin: nothing can be noted of requests: %r", error, exc_info=True)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400 naming the hint, its value and what is allowed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == CONTROL_PATH:
            await self._control.answer(scope, receive, send)
            return
        notes = Notes(client=self._hashed_key(scope))
        token = CURRENT.set(notes)
        try:
            if self._parses and scope["method"] == "POST":
                await _Exchange(receive, send, lambda body: self._look_at(body, notes)).run(
                    self._app, scope
                )
            else:
                await self._app(scope, receive, send)
        finally:
            CURRENT.reset(token)

    async def _look_at(self, body: bytes, notes: Notes) -> None:
        """Note what the engine is to know of the request with this body; may raise `HintError`."""
        request = _parse(body)
        if request is None:
            return
        if self._client_hints:
            parse_hints(request.get("vllm_xargs") or {}, MAX_TOKENS)
        try:
            await self._note(request, notes)
        except Exception as error:  # whatever is wrong with a note, the request goes on without
            if self._seldom.is_due():
                _LOGGER.warning("amin: a request is not noted: %r", error, exc_info=True)

    async def _note(self, request: dict[str, Any], notes: Notes) -> None:
        if self._reader:
            estimate = await self._reader.read(request)
            if estimate is not None:
                notes.predicted = estimate.lower, estimate.upper, estimate.predicted_class
        if self._log_prompts:
            prompt = prompt_text(request)
            notes.prompt = None if prompt is None else "".join(both_ends(prompt))

    def _hashed_key(self, scope: Message) -> str | None:
        """A name for the key in the Authorization header that does not tell the key."""
        given = dict(scope["headers"]).get(b"authorization")
        return keyed_hash(self._secret, given) if given else None


class _Exchange:
    """One request and its answer; `look_at` is told the body as soon as the application reads it.

    The body is held back until it is complete or longer than `LONGEST_BODY`, and then passes
    unchanged. `look_at` may refuse it with `HintError`, which is answered here.
    """

    def __init__(
        self, receive: Receive, send: Send, look_at: Callable[[bytes], Awaitable[None]]
    ) -> None:
        self._receive = receive
        self._send = send
        self._look_at = look_at
        self._held: list[Message] = []
        self._has_looked = self._is_refused = False

    async def run(self, app: App, scope: Message) -> None:
        """Have the application answer, unless the body is refused."""
        try:
            await app(scope, self._next_message, self._answer)
        except _RefusedError:
            # An application that handles no errors: the answer has been given.
            return

    async def _next_message(self) -> Message:
        if not self._has_looked:
            self._has_looked = True
            await self._look()
        return self._held.pop(0) if self._held else await self._receive()

    async def _look(self) -> None:
        size, is_whole = 0, False
        while not is_whole and size <= LONGEST_BODY:
            message = await self._receive()
            self._held.append(message)
            if message["type"] != "http.request":
                return
            size += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
        if size > LONGEST_BODY:
            return
        try:
            await self._look_at(b"".join(message.get("body", b"") for message in self._held))
        except HintError as error:
            self._is_refused = True
            await _refuse(self._send, error)
            raise _RefusedError from error

    async def _answer(self, message: Message) -> None:
        # What the application makes of a body that it could not read is not for the client.
        if not self._is_refused:
            await self._send(message)


class _RefusedError(Exception):
    """The application asked for a body that has been refused."""


def _parse(body: bytes) -> dict[str, Any] | None:
    """The request; None where vLLM has its own answer to it."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(request, dict):
        return None
    return request if isinstance(request.get("vllm_xargs") or {}, dict) else None


async def _refuse(send: Send, error: HintError) -> None:
    answer = {
        "error": {
            "message": f"vllm_xargs.{error}",
            "type": "BadRequestError",
            "param": f"vllm_xargs.{error.field}",
            "code": 400,
        }
    }
    await send_json(send, 400, answer)
