import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from amin.errors import ConfigError
from amin.record import RunResult
from amin.report import require_report
from amin.report.page import render_page

MakeResult = Callable[..., RunResult]
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class _Page(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def hostile_page(make_result: MakeResult) -> _Page:
    """A page on which every string from outside attacks."""
    runs = [make_result(HOSTILE, engine=HOSTILE), make_result(f"b{HOSTILE}", (1.0, 1.0))]
    return _Page(render_page(runs, title=HOSTILE, how={HOSTILE: HOSTILE}))


def test_hostile_strings_are_inert(hostile_page: _Page) -> None:
    """Title, policy, engine, key and value are shown as text: no element comes of them."""
    assert hostile_page.tags.isdisjoint({"script", "img", "iframe", "object", "link"})
    assert not [name for name, _ in hostile_page.attributes if name.startswith("on")]
    # Twice in <title> and <h1>, and twice in the last block.
    assert hostile_page.text.count(HOSTILE) == 4
    assert HOSTILE[:29] + "…" in hostile_page.text


def test_the_page_stands_alone(hostile_page: _Page) -> None:
    """Every reference leads to an element of the page, and ids are unique."""
    ids = Counter(value for name, value in hostile_page.attributes if name == "id")
    assert max(ids.values()) == 1
    links = [value for name, value in hostile_page.attributes if name.endswith("href")]
    urls = [
        value.removeprefix("url(").removesuffix(")")
        for name, value in hostile_page.attributes
        if name == "clip-path"
    ]
    assert links
    assert urls
    assert {target.removeprefix("#") for target in links + urls} <= set(ids)
    assert not [name for name, _ in hostile_page.attributes if name in ("src", "srcset", "action")]


def test_what_a_reader_finds(make_result: MakeResult) -> None:
    """Subject, provenance, finding, all cells and the settings are on the page."""
    runs = [make_result("fcfs"), make_result("amin", (1.5, 2.5))]
    text = " ".join(_Page(render_page(runs, title="T", how={"model": "tiny"})).text.split())
    assert "2 runs of the same 2 requests (seed 0). Numbers are simulated: vLLM's real" in text
    assert "amin has the best mean e2e latency: 0.67x that of fcfs" in text
    assert "2.00 s0.67x" in text
    assert "modeltiny" in text


def test_different_requests_are_not_called_the_same(make_result: MakeResult) -> None:
    """The subject and the caution agree."""
    runs = [make_result("a", seed=1), make_result("b", num_prompt_tokens=9, seed=2)]
    text = _Page(render_page(runs, title="T", how={})).text
    assert "2 runs of different requests (seeds 1, 2)." in text
    assert "Ran other requests than a" in text


def test_an_empty_run_has_a_page() -> None:
    """Nothing to compare, but nothing breaks."""
    text = _Page(render_page([RunResult("p", "vllm", 0, 0, 16, [])], title="T", how={})).text
    assert "1 run of 0 requests" in text
    assert "Nothing to compare" in text


def test_no_runs_no_page() -> None:
    """A page needs a baseline."""
    with pytest.raises(ConfigError, match="results: got none"):
        render_page([], title="T", how={})


def test_the_page_says_what_each_policy_does(make_result: MakeResult) -> None:
    """One line for each name, escaped like everything from outside."""
    words = {"fcfs": "first come, first served", "amin": HOSTILE}
    page = _Page(render_page([make_result()], title="T", how={}, words=words))
    assert "fcfsfirst come, first served" in page.text
    assert HOSTILE in page.text
    assert "script" not in page.tags


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_server_needs_no_package_of_the_page(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Who wants a page without its packages is told what to install, in one line."""
    monkeypatch.setattr("amin.report.find_spec", lambda name: None if name == missing else object())
    with pytest.raises(ConfigError, match=rf"needs {missing}; run: pip install 'amin\[report\]'"):
        require_report()


def test_serving_imports_none_of_them() -> None:
    """Neither the scheduler's own modules nor the table of a terminal."""
    code = (
        "import sys, amin.engine.vllm.config, amin.engine.vllm.ledger, amin.report.table, amin.cli;"
        "print([m for m in ('matplotlib', 'jinja2') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
