"""What is learned from, when, and which feature of a request is used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from amin.predictor.choice import group_of
from amin.predictor.features import CLASS, FEATURES, MAX_GROUPS
from amin.predictor.lengths import LearnedLengths
from amin.predictor.online import OnlinePredictor
from amin.predictor.survival import ALL, ENDS_PER_REFRESH, FINISHED, TOLD, remaining
from amin.request import LengthEstimate, Request

ONE_ROW = np.zeros((1, len(FEATURES)), np.int64)


def _request(name: str | None = None, client: str | None = None) -> Request:
    return Request("r", 5, 1000, predicted_class=name, client=client)


def _learn(lengths: LearnedLengths, request: Request, length: int, is_cut: bool = False) -> None:
    lengths.learn(lengths.arrived(request), length, is_cut)
    if lengths.is_due:
        lengths.refresh(ONE_ROW)


def _bound(lengths: LearnedLengths, request: Request) -> int:
    """The length that half of such replies have."""
    return lengths.lower_bound(request, 0.5)


def test_learns_when_enough_has_ended() -> None:
    """Not at every end, but in the beginning."""
    lengths = LearnedLengths()
    for _ in range(200):
        _learn(lengths, _request(), 10)
    lengths.refresh(ONE_ROW)
    for _ in range(ENDS_PER_REFRESH - 1):
        lengths.learn(lengths.arrived(_request()), 10, is_censored=False)
    assert not lengths.is_due
    lengths.learn(lengths.arrived(_request()), 10, is_censored=False)
    assert lengths.is_due
    lengths.refresh(ONE_ROW)
    assert not lengths.is_due
    assert remaining(lengths.survival, ALL, 0, 1000)[0] < 20


def test_learns_from_the_very_first_replies() -> None:
    """After five of ten tokens, less is expected than before."""
    lengths = LearnedLengths()
    for _ in range(5):
        _learn(lengths, _request(), 10)
    assert remaining(lengths.survival, ALL, 0, 1000)[0] < 60


def test_a_reply_that_was_cut_is_longer_than_that() -> None:
    """Cut at 10 as often as ended at 10: what is expected is well above 10."""
    means = []
    for share in (0.0, 0.5):
        lengths = LearnedLengths()
        for i in range(2000):
            lengths.learn(lengths.arrived(_request()), 10, is_censored=i < share * 2000)
        lengths.refresh(ONE_ROW)
        means.append(remaining(lengths.survival, ALL, 0, 10_000)[0])
    assert means[0] == pytest.approx(10, rel=0.05)
    assert means[1] > 50


NAMED: dict[str, Callable[[int], Request]] = {
    "told length": lambda i: Request("r", 5, 9999, hint=LengthEstimate(4**i, 4**i)),
    "class": lambda i: Request("r", 5, 1000, predicted_class=str(i)),
    "client": lambda i: Request("r", 5, 1000, client=str(i)),
    "prompt beginning": lambda i: Request("r", 99, 1000, prompt_token_ids=(i,) * 99),
    "prompt length": lambda i: Request("r", 5 + 1000 * i, 1000),
    "max_tokens": lambda i: Request("r", 5, 1000 + i),
}


@pytest.mark.parametrize("feature", FEATURES)
def test_the_feature_that_tells_lengths_apart_is_used(feature: str) -> None:
    """Whichever it is; the others say nothing here."""
    lengths, rng = LearnedLengths(), np.random.default_rng(0)
    for i in rng.integers(0, 4, 1500).tolist():
        _learn(lengths, NAMED[feature](i), int(rng.integers(1, 20)) + 200 * i)
    assert lengths.feature == feature
    assert feature in lengths.in_words()
    for i in range(4):
        assert _bound(lengths, NAMED[feature](i)) == pytest.approx(10 + 200 * i, rel=0.3, abs=5)


def test_classes_that_tell_nothing_are_dropped() -> None:
    """Drawn at random: what is foretold is what all replies together say, or next to it."""
    lengths, rng = LearnedLengths(), np.random.default_rng(0)
    for length in rng.integers(1, 400, 6000).tolist():
        _learn(lengths, _request(str(rng.integers(0, 40))), length)
    assert lengths.feature is None or lengths.gains[CLASS] < 20
    for name in "0123":
        assert _bound(lengths, _request(name)) == pytest.approx(200, rel=0.15)


@pytest.mark.parametrize("factor", [0.1, 1, 10])
def test_a_length_that_is_told_is_believed_until_it_is_learned_what_it_means(factor: float) -> None:
    """At first as it is; then replies told to have 300 have what those had that were told so."""
    lengths = LearnedLengths()

    def group(request: Request) -> int:
        row = np.array([lengths.arrived(request)])
        return int(group_of(lengths.survival, row, lengths.gains, 0))

    told = {length: Request("r", 5, 9999, hint=_exact(length * factor)) for length in (30, 300)}
    assert [group(request) for request in told.values()] == [TOLD, TOLD]
    for length in np.random.default_rng(0).choice([30, 300], 400).tolist():
        _learn(lengths, told[length], length)
    for length, request in told.items():
        mean, _ = remaining(lengths.survival, group(request), 0, 9999)
        assert mean == pytest.approx(length, rel=0.3)


def _exact(length: float) -> LengthEstimate:
    return LengthEstimate(int(length), int(length))


def test_another_feature_takes_over_when_it_tells_more() -> None:
    """Classes that were right become random, and clients tell lengths apart from then on."""
    lengths, rng = LearnedLengths(), np.random.default_rng(0)
    for i in rng.integers(0, 2, 1000).tolist():
        _learn(lengths, _request(str(i), client="any"), 10 + 300 * i)
    assert lengths.feature == "class"
    for i in rng.integers(0, 2, 3000).tolist():
        _learn(lengths, _request(str(rng.integers(0, 2)), client=str(i)), 10 + 300 * i)
    assert lengths.feature == "client"


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.95])
def test_the_bound_has_the_coverage_that_was_asked_for(coverage: float) -> None:
    """Each reply predicted before it is learned, after the first three hundred; bins are 3 %."""
    predictor, rng = OnlinePredictor(coverage), np.random.default_rng(1)
    held = []
    for length in (rng.geometric(0.01, 4000) + 20).tolist():
        request = Request("r", 5, 10_000)
        held.append(predictor.predict(request).lower <= length)
        predictor.learn(request, length, is_censored=False)
    assert np.mean(held[300:]) == pytest.approx(coverage, abs=0.02)


def test_memory_has_a_bound() -> None:
    """A million clients and prompts take no more than ten thousand do."""
    lengths = LearnedLengths()
    sizes = []
    for i in range(30_000):
        request = Request("r", i % 500 + 64, i + 1, prompt_token_ids=(i,) * 64, client=str(i))
        lengths.arrived(request)
        if i % 10_000 == 9_999:
            sizes.append([len(v._seen) + len(v.groups) for v in lengths._groups.values])
    assert sizes[1] == sizes[2]


def _arrive(lengths: LearnedLengths, clients: list[str], times: int) -> None:
    for _ in range(times):
        for client in clients:
            lengths.arrived(_request("any", client=client))


def test_those_of_today_take_the_groups_of_those_who_are_gone() -> None:
    """A full set of clients, then another one: each of the second gets a group, learned anew."""
    lengths = LearnedLengths()
    first, second = ([f"{name}{i}" for i in range(MAX_GROUPS)] for name in "ab")
    client = FEATURES.index("client")
    for _ in range(50):
        for name in first:
            _learn(lengths, _request("any", client=name), 900)
    group = lengths.arrived(_request("any", client="a0"))[client]
    assert lengths.survival[FINISHED, group].sum() > 0
    _arrive(lengths, second, 600)
    groups = {lengths.arrived(_request("any", client=name))[client] for name in second}
    assert len(groups) == MAX_GROUPS
    assert ALL not in groups
    assert not lengths.survival[FINISHED, group].any()
    assert lengths.arrived(_request("any", client="a0"))[client] == ALL


def test_of_many_alike_those_that_have_a_group_keep_it() -> None:
    """Three times as many clients as groups, all as common: no group changes hands."""
    lengths = LearnedLengths()
    clients = [f"c{i}" for i in range(3 * MAX_GROUPS)]
    _arrive(lengths, clients, 10)
    before = dict(lengths.values[FEATURES.index("client")].groups)
    _arrive(lengths, clients, 200)
    assert lengths.values[FEATURES.index("client")].groups == before


def test_one_client_with_absurd_traffic_does_not_poison_the_others() -> None:
    """Nine of ten replies are its, of 30,000 tokens or of 1; the others' stay about as they are.

    They are shrunk to the whole, which is its: of 200 tokens 300 are expected, and not 1,600.
    """
    for absurd in (30_000, 1):
        lengths, rng = LearnedLengths(), np.random.default_rng(0)
        for i in range(8000):
            if i % 10:
                request = Request("r", 5, 40_000, client="absurd")
                _learn(lengths, request, absurd)
            else:
                request = Request("r", 5, 40_000, client=f"c{i // 10 % 4}")
                _learn(lengths, request, int(rng.integers(100, 300)))
        for name in ("c0", "c3"):
            request = Request("r", 5, 40_000, client=name)
            row = np.array([lengths.arrived(request)])
            group = group_of(lengths.survival, row, lengths.gains, 0)
            assert 150 < remaining(lengths.survival, group, 0, 40_000)[0] < 350
            assert 150 < _bound(lengths, request) < 250
