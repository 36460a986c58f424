import asyncio
import json
import threading
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amin.engine.vllm.hints import foretold
from amin.engine.vllm.middleware import HintMiddleware
from amin.engine.vllm.reader import TextReader
from amin.predictor.interface import Predictor
from amin.predictor.training import Replies, train
from amin.request import LengthEstimate, Request

Message = MutableMapping[str, Any]


class _Server:
    """An ASGI app behind the middleware: remembers what reached it and answers 200."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[bytes, bytes]] = []

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        self.headers.append(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def _post(
    monkeypatch: pytest.MonkeyPatch,
    chunks: list[bytes],
    *,
    hints: bool = True,
    key: bytes = b"",
    path: str = "/v1/completions",
    **settings: object,
) -> tuple[int, bytes, _Server]:
    monkeypatch.setenv("AMIN_CONFIG", json.dumps({"client_hints": hints, **settings}))
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

    headers = [(b"content-length", b"%d" % sum(map(len, chunks)))]
    headers += [(b"authorization", b"Bearer " + key)] if key else []
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
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


def _told_key(monkeypatch: pytest.MonkeyPatch, body: bytes, key: bytes) -> str:
    _, _, server = _post(monkeypatch, [body[:9], body[9:]], hints=False, key=key)
    assert server.headers[0][b"content-length"] == b"%d" % len(server.bodies[0])
    request = json.loads(server.bodies[0])
    assert request.pop("prompt") == "x\u00fc"
    told = request.pop("vllm_xargs").pop("amin_api_key")
    assert not request
    assert isinstance(told, str)
    return told


@pytest.mark.parametrize(
    "xargs", ["", ', "vllm_xargs": null', ', "vllm_xargs": {"amin_api_key": "a"}']
)
def test_an_api_key_is_told_by_its_hash(monkeypatch: pytest.MonkeyPatch, xargs: str) -> None:
    """One name for one key whatever the client says of itself, another for another; not the key."""
    body = f'{{"prompt": "x\u00fc"{xargs}}}'.encode()
    names = [_told_key(monkeypatch, body, key) for key in (b"sk-1", b"sk-1", b"sk-2")]
    assert names[0] == names[1] != names[2]
    assert all(len(name) == 24 and "sk" not in name for name in names)


@pytest.mark.parametrize("body", [b"no json", b"[1]", b'{"vllm_xargs": 3}', b""])
def test_what_has_no_room_for_a_key_passes_unchanged(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """Bodies that are vLLM's to refuse reach it byte for byte, key or not."""
    assert _post(monkeypatch, [body], hints=False, key=b"sk-1")[2].bodies == [body]


def test_where_vllm_takes_no_extra_arguments_none_are_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A body for another address than those of replies is not touched."""
    body = b'{"prompt": "x"}'
    server = _post(monkeypatch, [body], hints=False, key=b"sk-1", path="/v1/embeddings")[2]
    assert server.bodies == [body]


@pytest.fixture
def text_model(tmp_path: Path) -> str:
    """``text:PATH`` of a model that puts prompts with "essay" above those without."""
    prompts = [f"{kind} {i}" for i in range(60) for kind in ("essay", "word")]
    lengths = np.array([800, 5] * 60)
    model = train(Replies(prompts, lengths, np.zeros(120, bool), [""] * 120))
    model.write(tmp_path / "m.npz")
    return f"text:{tmp_path / 'm.npz'}"


@pytest.mark.parametrize("wrap", ["{}", "calibrated:{}"])
def test_what_the_text_foretells_is_told_to_the_engine(
    monkeypatch: pytest.MonkeyPatch, text_model: str, wrap: str
) -> None:
    """Of prompts and of messages; whatever a client claims to have foretold is overwritten."""
    told = []
    for body in (
        {"prompt": "essay 7", "vllm_xargs": {"amin_predicted": "1:1:"}},
        {"messages": [{"role": "user", "content": "word 7"}]},
    ):
        chunks = [json.dumps(body).encode()]
        _, _, server = _post(monkeypatch, chunks, hints=False, predictor=wrap.format(text_model))
        told.append(foretold(json.loads(server.bodies[0])["vllm_xargs"]))
    essay, word = told
    assert essay is not None
    assert word is not None
    assert word.upper < 100 < essay.lower
    assert essay.predicted_class != word.predicted_class


def test_a_request_without_a_text_is_told_nothing(
    monkeypatch: pytest.MonkeyPatch, text_model: str
) -> None:
    """Not even what a client claims."""
    body = b'{"prompt": [1, 2, 3], "vllm_xargs": {"amin_predicted": "1:1:", "own": 1}}'
    _, _, server = _post(monkeypatch, [body], hints=False, predictor=text_model)
    assert json.loads(server.bodies[0])["vllm_xargs"] == {"own": 1}


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


@pytest.mark.parametrize("value", [None, 7, "", "1:2", "x:2:c", "0:2:c", "3:2:c", "-1:5:", "٣:4:c"])
def test_nonsense_foretells_nothing(value: object) -> None:
    """Whatever a client sends where no middleware overwrites it."""
    assert foretold({"amin_predicted": value}) is None
    assert foretold({"amin_predicted": "3:4:a:b"}) == LengthEstimate(3, 4, "a:b")


def test_a_text_that_is_to_be_logged_is_told_to_the_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only then, at most so much of it as predictors read, and not what a client claims."""
    long = "a" * 5000 + "b" * 9000
    claims = {"amin_prompt": "other"}
    log = str(tmp_path / "l")
    for body, expected in (
        ({"prompt": "Hi", "vllm_xargs": claims}, {"amin_prompt": "Hi"}),
        ({"prompt": [1, 2], "vllm_xargs": claims}, {}),
        ({"prompt": long}, {"amin_prompt": "a" * 4096 + "b" * 4096}),
    ):
        chunks = [json.dumps(body).encode()]
        _, _, server = _post(monkeypatch, chunks, hints=False, log_file=log, log_prompts=True)
        assert json.loads(server.bodies[0])["vllm_xargs"] == expected
    chunks = [json.dumps({"prompt": "Hi"}).encode()]
    _, _, server = _post(monkeypatch, chunks, hints=False)
    assert server.bodies == chunks
