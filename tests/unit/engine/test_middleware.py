import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from amin.engine.vllm.middleware import HintMiddleware

Message = MutableMapping[str, Any]


class _Server:
    """An ASGI app behind the middleware: remembers what reached it and answers 200."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def _post(
    monkeypatch: pytest.MonkeyPatch, chunks: list[bytes], *, hints: bool = True
) -> tuple[int, bytes, _Server]:
    monkeypatch.setenv("AMIN_CONFIG", json.dumps({"client_hints": hints}))
    server = _Server()
    sent: list[Message] = []
    incoming = [
        {"type": "http.request", "body": chunk, "more_body": i + 1 < len(chunks)}
        for i, chunk in enumerate(chunks)
    ]

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/completions"}
    asyncio.run(HintMiddleware(server)(scope, receive, send))
    return sent[0]["status"], sent[1]["body"], server


@pytest.mark.parametrize(
    ("hints", "field"),
    [
        ('{"amin_lower": "many"}', "amin_lower"),
        ('{"amin_lower": -1}', "amin_lower"),
        ('{"amin_lower": NaN}', "amin_lower"),
        ('{"amin_upper": 1000000000000}', "amin_upper"),
        ('{"amin_lower": 9, "amin_upper": 3}', "amin_lower"),
        ('{"amin_class": ["a"]}', "amin_class"),
        (r'{"\u0061min_lower": -5}', "amin_lower"),
        (r'{"\u0061\u006d\u0069\u006e_lower": -5}', "amin_lower"),
    ],
)
def test_a_malformed_hint_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, hints: str, field: str
) -> None:
    """HTTP 400 names the field and what is allowed, and nothing reaches the server."""
    body = f'{{"prompt": "x", "vllm_xargs": {hints}}}'.encode()
    status, answer, server = _post(monkeypatch, [body])
    error = json.loads(answer)["error"]
    assert status == error["code"] == 400
    assert error["param"] == f"vllm_xargs.{field}"
    assert "allowed" in error["message"]
    assert server.bodies == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "x", "vllm_xargs": {"amin_lower": 3, "amin_class": "a"}}',
        b'{"prompt": "amin_lower is only text here"}',
        b'{"prompt": "x", "vllm_xargs": {"other": -1}}',
        b'not json, but "amin_lower"',
        b'["amin_lower"]',
        b"",
        b'{"amin_": ' + b"[" * 100_000,
    ],
)
def test_everything_else_reaches_the_server_unchanged(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """Good hints, no hints, and bodies that are vLLM's to judge pass byte for byte."""
    status, _, server = _post(monkeypatch, [body])
    assert status == 200
    assert server.bodies == [body]


def test_a_body_in_pieces_is_checked_whole_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint split over two chunks is still found; a good body in chunks arrives complete."""
    bad = [b'{"vllm_xargs": {"amin_lo', b'wer": 0}}']
    assert _post(monkeypatch, bad)[0] == 400
    good = [b'{"vllm_xargs": {"amin_lo', b'wer": 1}}']
    status, _, server = _post(monkeypatch, good)
    assert status == 200
    assert server.bodies == [b"".join(good)]


def test_while_hints_are_off_even_malformed_ones_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not believe hints does not judge them either."""
    body = b'{"vllm_xargs": {"amin_lower": -5}}'
    assert _post(monkeypatch, [body], hints=False)[0] == 200
