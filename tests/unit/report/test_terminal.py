import io

import pytest
from rich.console import Console

from amin.report.terminal import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the test sets."""
    now = [0.0]
    monkeypatch.setattr("amin.report.terminal.time.monotonic", lambda: now[0])
    return now


def test_lines_come_outside_a_terminal(clock: list[float]) -> None:
    """At the start, every 10 s, and at the end: a log shows that the work goes on."""
    out = io.StringIO()
    with progress(Console(file=out)) as track:
        advance = track("serving", 5)
        for now in (4.0, 11.0, 12.0, 22.0, 23.0):
            clock[0] = now
            advance()
    assert out.getvalue().splitlines() == [
        "serving: 0/5",
        "serving: 2/5 after 11 s",
        "serving: 4/5 after 22 s",
        "serving: 5/5 after 23 s",
    ]


def test_a_terminal_gets_bars() -> None:
    """And no lines between them."""
    out = io.StringIO()
    with progress(Console(file=out, force_terminal=True, width=100)) as track:
        advance = track("serving", 2)
        advance()
        advance()
    assert "2/2" in out.getvalue()
    assert "after" not in out.getvalue()
