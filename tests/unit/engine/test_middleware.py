import asyncio
import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from amin.engine.vllm import middleware
from amin.engine.vllm.middleware import LONGEST_BODY, HintMiddleware
from amin.engine.vllm.notes import CURRENT, Notes, taken_from
from amin.engine.vllm.reader import TextReader
from amin.predictor.features import keyed_hash
from amin.predictor.interface import Predictor
from amin.predictor.training import Replies, train
from amin.request import LengthEstimate, Request

Message = MutableMapping[str, Any]

LOGGING: dict[str, Any] = {"log_file": "log.jsonl", "log_prompts": True}
"""Settings with which bodies are parsed."""


class _Server:
    """vLLM as the middleware sees it: it checks the key, reads the body, and answers.

    It remembers what reached it, and what is noted when the request goes to the engine.
    """

    def __init__(self, key: bytes = b"") -> None:
        self.bodies: list[bytes] = []
        self.notes: list[Notes | None] = []
        self._key = key

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        if self._key and headers.get(b"authorization") != b"Bearer " + self._key:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"Unauthorized"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        self.notes.append(CURRENT.get())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def _post(
    monkeypatch: pytest.MonkeyPatch,
    chunks: Iterable[bytes],
    *,
    hints: bool = True,
    key: bytes = b"",
    server: _Server | None = None,
    **settings: object,
) -> tuple[int, bytes, _Server]:
    monkeypatch.setenv("AMIN_CONFIG", json.dumps({"client_hints": hints, **settings}))
    monkeypatch.setenv("AMIN_SECRET", "of this server")
    server = server or _Server()
    sent: list[Message] = []
    incoming = iter(chunks)

    async def receive() -> Message:
        chunk = next(incoming, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer " + key)] if key else []
    scope = {"type": "http", "method": "POST", "path": "/v1/completions", "headers": headers}
    asyncio.run(HintMiddleware(server, lambda: None)(scope, receive, send))
    assert CURRENT.get() is None
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
        (r'{"amin_class": "\ud800"}', "amin_class"),
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


def test_a_wrong_key_is_answered_before_the_body_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one piece of it is asked for, whatever the middleware would look for in it."""
    read: list[bytes] = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(b"x" * 2**16)
            yield read[-1]

    server = _Server(key=b"right")
    status, _, _ = _post(monkeypatch, endless(), key=b"wrong", server=server, **LOGGING)
    assert (status, read, server.bodies) == (401, [], [])


def test_a_long_body_passes_without_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held back only until it is too long, is not parsed, and arrives byte for byte; nothing
    is foretold of it, nor are its hints checked, which the engine ignores where they are bad."""
    parsed: list[bytes] = []
    monkeypatch.setattr(middleware, "_parse", parsed.append)
    body = b'{"vllm_xargs": {"amin_lower": -5}, "prompt": "' + b"x" * LONGEST_BODY + b'"}'
    chunks = [body[start : start + 10_000] for start in range(0, len(body), 10_000)]
    status, _, server = _post(monkeypatch, chunks, **LOGGING)
    assert (status, server.bodies, parsed) == (200, [body], [])
    held = LONGEST_BODY // 10_000 + 1
    reads = iter(chunks[:held])
    monkeypatch.setattr(middleware, "LONGEST_BODY", 10)
    assert _post(monkeypatch, reads, **LOGGING)[2].bodies == [b"".join(chunks[:held])]


def test_without_hints_and_texts_no_body_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default: a key is told from the header alone, and the body is the application's."""
    monkeypatch.setattr(middleware, "_parse", lambda body: pytest.fail("parsed"))
    body = b'{"prompt": "x"}'
    _, _, server = _post(monkeypatch, [body], hints=False, key=b"sk-1")
    assert server.bodies == [body]
    (notes,) = server.notes
    assert notes is not None
    assert notes.client is not None


def test_an_api_key_is_told_by_a_hash_with_the_servers_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One name for one key, another for another, another on another server; never the key, nor
    a hash that anybody could make of it."""

    def told(key: bytes) -> str:
        (notes,) = _post(monkeypatch, [b"{}"], hints=False, key=key)[2].notes
        assert notes is not None
        assert notes.client is not None
        return notes.client

    names = [told(key) for key in (b"sk-1", b"sk-1", b"sk-2")]
    assert names[0] == names[1] != names[2]
    assert all(len(name) == 24 and "sk" not in name for name in names)
    assert names[0] != hashlib.blake2b(b"Bearer sk-1", digest_size=12).hexdigest()
    assert keyed_hash("another server", b"Bearer sk-1") != names[0]
    assert keyed_hash("of this server", b"Bearer sk-1") == names[0]


def test_without_a_key_nothing_is_told_whatever_the_client_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client cannot name itself: only bytes are notes, and JSON has none."""
    body = b'{"prompt": "x", "vllm_xargs": {"amin_notes": "{\\"client\\": \\"other\\"}"}}'
    _, _, server = _post(monkeypatch, [body], hints=False)
    assert server.notes == [Notes()]
    assert Notes().as_bytes() == b""
    params = SimpleNamespace(extra_args=json.loads(body)["vllm_xargs"])
    assert taken_from(params) == Notes()
    assert params.extra_args is None


@pytest.mark.parametrize(
    "notes",
    [Notes("c", (3, 9, "a:b"), "text ü"), Notes(client="c"), Notes(predicted=(1, 2, None))],
)
def test_notes_arrive_as_they_were_written(notes: Notes) -> None:
    """And are gone from the parameters once they are read; what the client sent stays."""
    params = SimpleNamespace(extra_args={"own": 1, "amin_notes": notes.as_bytes()})
    found = taken_from(params)
    assert (found.client, found.prompt) == (notes.client, notes.prompt)
    assert found.foretold == notes.foretold
    assert params.extra_args == {"own": 1}


@pytest.mark.parametrize("body", [b"no json", b"[1]", b'{"vllm_xargs": 3}', b""])
def test_what_is_no_request_passes_unchanged(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """Bodies that are vLLM's to refuse reach it byte for byte, key or not."""
    assert _post(monkeypatch, [body], key=b"sk-1", **LOGGING)[2].bodies == [body]


def test_where_notes_cannot_travel_the_server_starts_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning says so."""
    monkeypatch.delenv("AMIN_CONFIG", raising=False)

    def fails() -> None:
        raise ImportError("no such module")

    HintMiddleware(_Server(), fails)
    assert "nothing can be noted of requests" in caplog.text


def test_a_fault_in_a_note_costs_the_note(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever amin's own code raises, the request is answered, and one warning has the reason."""

    def fails(body: object) -> str:
        raise RuntimeError("broken")

    monkeypatch.setattr(middleware, "prompt_text", fails)
    status, _, server = _post(monkeypatch, [b'{"prompt": "x"}'], **LOGGING)
    assert (status, server.notes) == (200, [Notes()])
    assert "broken" in caplog.text


@pytest.fixture
def text_model(tmp_path: Path) -> str:
    """``text:PATH`` of a model that puts prompts with "essay" above those without."""
    prompts = [f"{kind} {i}" for i in range(60) for kind in ("essay", "word")]
    lengths = np.array([800, 5] * 60)
    model = train(Replies(prompts, lengths, np.zeros(120, bool), [""] * 120))
    model.write(tmp_path / "m.npz")
    return f"text:{tmp_path / 'm.npz'}"


@pytest.mark.parametrize("wrap", ["{}", "calibrated:{}"])
def test_what_the_text_foretells_is_noted(
    monkeypatch: pytest.MonkeyPatch, text_model: str, wrap: str
) -> None:
    """Of prompts and of messages; the body passes as it came."""
    told = []
    for body in (
        {"prompt": "essay 7", "vllm_xargs": {"own": "1"}},
        {"messages": [{"role": "user", "content": "word 7"}]},
    ):
        chunks = [json.dumps(body).encode()]
        _, _, server = _post(monkeypatch, chunks, hints=False, predictor=wrap.format(text_model))
        assert server.bodies == chunks
        (notes,) = server.notes
        assert notes is not None
        told.append(notes.foretold)
    essay, word = told
    assert essay is not None
    assert word is not None
    assert word.upper < 100 < essay.lower
    assert essay.predicted_class != word.predicted_class


def test_a_request_without_a_text_is_told_nothing(
    monkeypatch: pytest.MonkeyPatch, text_model: str
) -> None:
    """There is nothing to foretell anything from."""
    body = b'{"prompt": [1, 2, 3], "vllm_xargs": {"own": 1}}'
    _, _, server = _post(monkeypatch, [body], hints=False, predictor=text_model)
    assert server.notes == [Notes()]


class _Failing(Predictor):
    name = "failing"
    needs_text = True

    def __init__(self, is_instant: bool) -> None:
        self.is_instant = is_instant

    def predict(self, request: Request) -> LengthEstimate:
        raise RuntimeError("no model")


@pytest.mark.parametrize("is_instant", [True, False])
def test_a_predictor_that_fails_costs_its_prediction(
    caplog: pytest.LogCaptureFixture, is_instant: bool
) -> None:
    """None is told, one warning says why; instant or not."""
    reader = TextReader(_Failing(is_instant))
    for _ in range(3):
        assert asyncio.run(reader.read({"prompt": "x"})) is None
    assert len(caplog.records) == 1
    assert "failing: RuntimeError: no model" in caplog.text


def test_a_predictor_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request goes on without its answer."""
    monkeypatch.setattr("amin.engine.vllm.reader.PATIENCE", 0.05)
    released = threading.Event()

    class Hanging(_Failing):
        def predict(self, request: Request) -> LengthEstimate:
            released.wait(20)
            return LengthEstimate(1, 2)

    async def asked() -> LengthEstimate | None:
        found = await TextReader(Hanging(is_instant=False)).read({"prompt": "x"})
        released.set()
        return found

    assert asyncio.run(asked()) is None


def test_a_text_that_is_to_be_logged_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only then, and at most so much of it as predictors read."""
    long = "a" * 5000 + "b" * 9000
    for body, expected in (
        ({"prompt": "Hi"}, "Hi"),
        ({"prompt": [1, 2]}, None),
        ({"prompt": long}, "a" * 4096 + "b" * 4096),
    ):
        chunks = [json.dumps(body).encode()]
        _, _, server = _post(monkeypatch, chunks, hints=False, **LOGGING)
        assert server.notes == [Notes(prompt=expected)]
    _, _, server = _post(monkeypatch, [json.dumps({"prompt": "Hi"}).encode()], hints=False)
    assert server.notes == [Notes()]
