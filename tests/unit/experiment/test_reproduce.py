"""Claims are judged by what was measured, whichever way it goes."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from amin.cli import main
from amin.errors import ConfigError
from amin.experiment.claim import Check, Claim, Measured, measure
from amin.experiment.reproduce import as_markdown, chosen_claims, reproduce, shipped_claims
from amin.experiment.verdict import FAILS, HOLDS, ONLY_WHERE, judge

TOML = """
claim = "fcfs is at most {limit} times H-SF"
source = "nobody"
requests = {{ family = "two-point", num_requests = 60, prompt = 1, lower = 2, share_short = 0.5 }}
checks = [{{ policy = "fcfs", at_most = {limit} }}]
seeds = 3

[grid]
upper = [20, 40]
kv_tokens = [60, 100000]

[quick]
upper = [20]
seeds = 2
"""


def _claim(limit: float) -> Claim:
    return Claim.parse("mine", TOML.format(limit=limit))


@pytest.mark.parametrize(("limit", "word"), [(100.0, HOLDS), (1.0001, ONLY_WHERE), (0.5, FAILS)])
def test_the_verdict_follows_the_figures(limit: float, word: str) -> None:
    """Ample memory makes FCFS and H-SF equal, tight memory does not; nothing is twice as fast."""
    (one,) = reproduce([_claim(limit)])
    assert one.verdict.word == word
    assert len(one.measured) == 4
    if word == ONLY_WHERE:
        assert one.verdict.figures.startswith(
            "2 of 4 settings, at upper 20, kv_tokens 100000 / upper 40, kv_tokens 100000; "
        )


def test_ratios_are_to_hindsight_on_the_same_requests() -> None:
    """Seed by seed; with memory for all they are 1."""
    measured = measure(_claim(1), {"upper": 20, "kv_tokens": 100_000}, 3)
    assert measured.ratios("fcfs") == [1.0, 1.0, 1.0]
    assert measured.work_over_memory < 1


def test_sizes_may_follow_the_longest_request() -> None:
    """100 requests and 2 tokens of memory per token of u; 1.5 tokens of work in long ones each."""
    claim = Claim.parse("sizes", TOML.format(limit=1))
    relative = {"upper": 30, "num_over_upper": 100, "kv_over_upper": 2, "long_work": 1.5}
    requests = measure(claim, relative, 1).requests
    assert requests["num_requests"] == 3000
    assert requests["kv_tokens"] == 60
    assert requests["share_short"] == pytest.approx(0.95)


def test_quick_runs_fewer() -> None:
    """Of the grid and of the seeds."""
    (one,) = reproduce([_claim(1)], is_quick=True)
    assert [m.params for m in one.measured] == [
        {"upper": 20, "kv_tokens": 60},
        {"upper": 20, "kv_tokens": 100_000},
    ]
    assert len(one.measured[0].ratios("fcfs")) == 2


@pytest.mark.parametrize(("curve", "expected"), [("log", "log"), ("power", "power")])
def test_growth_is_told_apart(curve: str, expected: str) -> None:
    """A logarithm is no power and a power no logarithm."""
    text = TOML.format(limit=1).replace("at_most = 1", f'grows = "{expected}"')
    claim = Claim.parse("growth", text)
    measured = []
    for inverse in (3, 10, 30, 100, 300):
        ratio = 1 + 0.8 * np.log(inverse) if curve == "log" else inverse**0.9
        latencies = {"fcfs": [float(ratio)] * 2, "hindsight": [1.0] * 2}
        measured.append(Measured({}, {"lower": 1, "upper": inverse}, latencies, 9.0))
    assert judge(claim, measured).word == HOLDS
    wrong = "log" if curve == "power" else "power"
    other = Claim.parse("other", text.replace(f'"{expected}"', f'"{wrong}"'))
    assert judge(other, measured).word == FAILS


@pytest.mark.parametrize(
    ("of_memory", "of_requests", "word"), [(1.0, 0.1, HOLDS), (1.5, 0.1, FAILS), (1.0, 0.5, FAILS)]
)
def test_the_cost_of_a_step_is_fitted(of_memory: float, of_requests: float, word: str) -> None:
    """As powers of M and n; more than M^1.1 or n^0.2 is too much."""
    claim = Claim.parse("cost", TOML.format(limit=1).replace("at_most = 1", "cost = 1.1"))
    measured = []
    for memory, number in itertools.product((250, 1000), (100, 10_000)):
        seconds = {"fcfs": [1e-6 * memory**of_memory * number**of_requests] * 2}
        requests = {"kv_tokens": memory, "num_requests": number}
        measured.append(Measured({}, requests, {}, 9.0, seconds))
    verdict = judge(claim, measured)
    assert verdict.word == word
    assert f"M^{of_memory:.2f} · n^{of_requests:.2f}" in verdict.figures


def test_a_run_measures_what_a_step_costs() -> None:
    """For every policy and seed, more than nothing."""
    measured = measure(_claim(1), {"upper": 20, "kv_tokens": 60}, 2)
    assert all(len(times) == 2 and min(times) > 0 for times in measured.seconds_per_step.values())


@pytest.mark.parametrize(
    ("bound", "ratio", "holds"),
    [
        ("amax-upper", 54.9, True),
        ("amax-upper", 55.1, False),
        ("amax-lower", 20.7, False),
        ("amax-lower", 20.9, True),
    ],
)
def test_the_papers_bounds_for_amax(bound: str, ratio: float, holds: bool) -> None:
    """At u/l = 10: 10 · 11 / 2 = 55 from above, 10 · (1 + sqrt(10)) / 2 = 20.8 from below."""
    one = Measured({}, {"lower": 2, "upper": 20}, {"amax": [ratio], "hindsight": [1.0]}, 9.0)
    assert Check("amax", bound=bound).holds(one) is holds


def test_amax_is_worst_on_the_inverse_tail() -> None:
    """Where it tends to (1/a)(1 + sqrt(2 ln(1/a)))/2 times H-SF: 54 at u/l = 30."""
    claim = next(claim for claim in shipped_claims() if claim.name == "amax-lower-bound")
    params = {"upper_over_lower": 30, "share_short": 0.62, "kv_over_upper": 2}
    ratios = {
        family: measure(claim, {"family": family, **params}, 2).ratio("amax")
        for family in ("inverse-tail", "two-point")
    }
    assert ratios["inverse-tail"] == pytest.approx(54, rel=0.05)
    assert ratios["two-point"] < 10


def test_every_shipped_claim_is_whole() -> None:
    """Words, a source, at least ten seeds, and settings that run."""
    claims = shipped_claims()
    assert len(claims) >= 9
    for claim in claims:
        assert claim.claim
        assert claim.source
        assert claim.seeds >= 10
        smallest = claim.settings(is_quick=True)[0]
        assert measure(claim, smallest | {"num_requests": 40}, 1).latencies.keys() == set(
            claim.policies
        )


def test_the_report_says_what_was_run() -> None:
    """A table of verdicts, then each claim's settings with spread and load."""
    text = as_markdown(reproduce([_claim(1)], is_quick=True))
    assert "| fcfs is at most 1 times H-SF | nobody | holds only where |" in text
    assert "| upper | kv_tokens | n·E[s+o]/M | fcfs ÷ hindsight |" in text
    assert "| 20 | 100000 | 0.0 | 1.00 (1.00-1.00) |" in text


def test_the_command_runs_a_claim_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A TOML file in, a verdict on the screen and a page on disk out."""
    path = tmp_path / "mine.toml"
    path.write_text(TOML.format(limit=100))
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["amin", "reproduce", str(path), "--out", str(out)])
    main()
    assert HOLDS in capsys.readouterr().out
    page = (out / "index.html").read_text()
    assert "<table>" in page
    assert 'aria-label="fcfs is at most 100 times H-SF"' in page
    assert "nobody" in (out / "claims.md").read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [("nope", "claim: unknown 'nope'"), ("nope.toml", "claim nope.toml: cannot be read")],
)
def test_refuses_what_is_no_claim(name: str, words: str) -> None:
    """Names what there is."""
    with pytest.raises(ConfigError, match=words):
        chosen_claims([name])


@pytest.mark.parametrize("text", ["claim = 1", "[", "claims = 'x'\nchecks = []"])
def test_refuses_a_broken_file(text: str) -> None:
    """One line with the file's name."""
    with pytest.raises(ConfigError, match="claim broken: "):
        Claim.parse("broken", text)
