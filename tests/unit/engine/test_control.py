"""``/amin``: what anybody may read, and a switch that needs the token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from amin.engine.vllm.config import AminConfig
from amin.engine.vllm.control import LONGEST_BODY, TOKEN_VARIABLE, Control
from amin.engine.vllm.mode import ModeFile

TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
def file(tmp_path: Path) -> ModeFile:
    """Where the mode is asked for."""
    return ModeFile(tmp_path / "mode.json")


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch, file: ModeFile) -> Control:
    """Of a server whose operator set a token."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    return Control(AminConfig(), file)


def _ask(
    control: Control, method: str, body: bytes = b"", authorization: bytes = b""
) -> tuple[int, dict[str, Any]]:
    sent: list[MutableMapping[str, Any]] = []
    parts = [body[i : i + 300] for i in range(0, len(body), 300)] or [b""]

    async def receive() -> MutableMapping[str, Any]:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", authorization)] if authorization else []
    asyncio.run(control.answer({"method": method, "headers": headers}, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_anybody_may_read_what_amin_does(control: Control, file: ModeFile) -> None:
    """Settings, the mode that is asked for, and what each engine does, since when."""
    file.tell(0, "on")
    file.tell(1, "on")
    status, answer = _ask(control, "GET")
    assert status == 200
    assert (answer["policy"], answer["mode"]) == ("expected-volume", "on")
    assert [(one["engine"], one["mode"]) for one in answer["engines"]] == [(0, "on"), (1, "on")]
    assert TOKEN not in json.dumps(answer)


def test_the_token_switches(control: Control, file: ModeFile) -> None:
    """Any mode; what is no mode is refused with those that there are, and nothing changes."""
    known = f"Bearer {TOKEN}".encode()
    status, answer = _ask(control, "POST", b'{"mode": "shadow"}', known)
    assert (status, answer["mode"], file.asked()) == (200, "shadow", "shadow")
    bad = b'{"mode": "sideways"}', b'{"mode": ["on"]}', b"[]", b"", b"\xff", b"[" * LONGEST_BODY * 9
    for body in bad:
        status, answer = _ask(control, "POST", body, known)
        assert status == 400, body
        assert file.asked() == "shadow"


@pytest.mark.parametrize("given", [b"", b"Bearer", b"Bearer wrong", TOKEN.encode(), b"\xff\xfe"])
def test_whoever_does_not_know_the_token_changes_nothing(
    control: Control, file: ModeFile, given: bytes
) -> None:
    """401, whatever the body is."""
    assert _ask(control, "POST", b'{"mode": "off"}', given)[0] == 401
    assert file.asked() is None


def test_without_a_token_or_a_file_there_is_no_switch(
    monkeypatch: pytest.MonkeyPatch, file: ModeFile
) -> None:
    """Off by default: not even an empty token is one."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.delenv("AMIN_MODE_FILE", raising=False)
    assert _ask(Control(AminConfig(), file), "POST", b'{"mode": "off"}', b"Bearer ")[0] == 404
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    nowhere = Control(AminConfig(), ModeFile())
    assert _ask(nowhere, "POST", b'{"mode": "off"}', f"Bearer {TOKEN}".encode())[0] == 404
    assert _ask(nowhere, "GET")[0] == 200
    assert _ask(nowhere, "DELETE")[0] == 404
