"""Lengths foretold from the prompt's text: training, the file, the predictor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.predictor.catalog import get_predictor
from amin.predictor.conformance import check_predictor
from amin.predictor.text import LEVELS, TextModel, TextPredictor, read_text_model
from amin.predictor.training import Replies, train
from amin.request import Request

LENGTHS = {"Answer in one word": 4, "Explain": 120, "Write a long essay on": 800}
TOPICS = "rain", "rust", "rivers", "rockets", "roses", "rent", "radio", "rice", "rugs", "robots"


def _replies(models: tuple[str, ...] = ("",)) -> Replies:
    """Three kinds of prompts on hundreds of topics; the second model says twice as much."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(360):
        kind = list(LENGTHS)[number % 3]
        prompt = f"{kind} {TOPICS[number % 10]} {number}"
        for i, model in enumerate(models):
            if len(models) == 1 or (number % 2 == i) or number % 5 == 0:
                length = LENGTHS[kind] * (i + 1) * rng.uniform(0.8, 1.25)
                rows.append((prompt, max(round(length), 1), model))
    prompts, lengths, names = zip(*rows, strict=True)
    return Replies(prompts, np.array(lengths), np.zeros(len(rows), bool), names)


@pytest.fixture(scope="module")
def model() -> TextModel:
    """Trained on `_replies`."""
    return train(_replies())


def _asked(model: TextModel, prompt: str, max_tokens: int = 5000) -> Any:
    return TextPredictor(model).predict(Request("r", 5, max_tokens, prompt=prompt))


def test_prompts_that_were_not_seen_are_told_apart(model: TextModel) -> None:
    """By their words: inside the interval, and mostly in a class whose median is the length."""
    near = []
    for kind, length in LENGTHS.items():
        for topic in TOPICS:
            prompt = f"{kind} {topic} 1234"
            estimate = _asked(model, prompt)
            assert estimate.lower <= length <= estimate.upper
            median = model.quantiles[model.class_of(prompt), len(LEVELS) // 2]
            near.append(0.7 < median / length < 1.4)
    # Two of the ten classes have prompts of two kinds.
    assert np.mean(near) >= 0.7
    assert model.about["rank_correlation"] > 0.85
    assert model.about["num_prompts"] == 360


def test_what_is_promised_is_what_unseen_prompts_had() -> None:
    """Where words tell nothing, every class has all lengths: training noise is not believed."""
    rng = np.random.default_rng(1)
    prompts = [f"{rng.integers(10**9)} {rng.integers(10**9)}" for _ in range(300)]
    lengths = rng.integers(10, 1000, 300)
    model = train(Replies(prompts, lengths, np.zeros(300, bool), [""] * 300))
    assert abs(model.about["rank_correlation"]) < 0.2
    assert (model.quantiles[:, 0] < 250).all()
    assert (model.quantiles[:, -1] > 750).all()


def test_each_models_habit_is_taken_out_first() -> None:
    """Two models that answer different prompts, one twice as long: kinds are told apart as well."""
    model = train(_replies(("terse", "verbose")))
    assert model.about["rank_correlation"] > 0.85
    middle = [_asked(model, f"{kind} rivers 1234") for kind in LENGTHS]
    # Between the habits of the two.
    for estimate, length in zip(middle, LENGTHS.values(), strict=True):
        assert estimate.lower <= 1.42 * length <= estimate.upper


def test_a_reply_that_was_cut_counts_as_longer() -> None:
    """A third of the essays stop at 400 tokens; these are still foretold as the longest."""
    replies = _replies()
    lengths, is_cut = replies.num_output_tokens.copy(), replies.is_cut.copy()
    essays = np.flatnonzero(lengths > 400)[::3]
    lengths[essays], is_cut[essays] = 400, True
    model = train(Replies(replies.prompts, lengths, is_cut, replies.models))
    assert model.quantiles[-1].min() > 500
    unaware = train(Replies(replies.prompts, lengths, replies.is_cut, replies.models))
    assert unaware.quantiles[-1].min() == pytest.approx(400)


def test_the_file_has_the_model(model: TextModel, tmp_path: Path) -> None:
    """``text:PATH`` says the same of every prompt."""
    path = tmp_path / "m.npz"
    model.write(path)
    again = get_predictor(f"text:{path}")
    for kind in LENGTHS:
        request = Request("r", 5, 90, prompt=f"{kind} lakes")
        assert again.predict(request) == TextPredictor(model).predict(request)
    assert list(tmp_path.iterdir()) == [path]


def test_of_a_request_without_a_text_nothing_is_said(model: TextModel) -> None:
    """From 1 to max_tokens, and no class."""
    estimate = TextPredictor(model).predict(Request("r", 5, 77))
    assert (estimate.lower, estimate.upper, estimate.predicted_class) == (1, 77, None)


def test_keeps_the_contract(model: TextModel) -> None:
    """Of any request, it answers, always the same, within max_tokens."""
    check_predictor(lambda: TextPredictor(model))


def _about(**changes: object) -> Callable[[dict[str, Any]], None]:
    def changed(arrays: dict[str, Any]) -> None:
        about = {**json.loads(str(arrays["about"])), **changes}
        arrays["about"] = np.array(json.dumps(about))

    return changed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("edges"), "not a text model"),
        (_about(kind="other"), "not a text model of this version"),
        (_about(version=99), "not a text model of this version"),
        (lambda a: a.update(weights=a["weights"][:5]), r"weights of \(5,\), allowed"),
        (lambda a: a.update(weights=a["weights"] * np.nan), "allowed: .* all finite"),
        (lambda a: a.update(edges=a["edges"][:1]), "quantiles of"),
        (lambda a: a.update(quantiles=-a["quantiles"]), "negative or do not ascend"),
        (lambda a: a.update(quantiles=a["quantiles"][:, ::-1]), "negative or do not ascend"),
        (lambda a: a.update(edges=np.array([{}])), "not a text model"),
    ],
)
def test_a_foreign_or_broken_file_is_refused(
    model: TextModel, tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    """Named, with what is wrong; nothing is unpickled."""
    path = tmp_path / "m.npz"
    model.write(path)
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(ConfigError, match=f"m.npz: .*{words}"):
        read_text_model(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04half", b"\x80\x04pickled", b"text"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, cut short, a pickle, a text."""
    path = tmp_path / "m.npz"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"m\.npz: not a text model"):
        read_text_model(path)


def test_too_few_prompts_are_refused() -> None:
    """Nine cannot say how a tenth would do."""
    with pytest.raises(ConfigError, match="2 different prompts, allowed: 10 or more"):
        train(Replies(["a", "b"] * 9, np.ones(18, int), np.zeros(18, bool), [""] * 18))


def test_of_a_long_log_the_end_is_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many prompts, all their replies since: memory is bounded."""
    monkeypatch.setattr("amin.predictor.training.MAX_PROMPTS", 100)
    replies = _replies(("terse", "verbose"))
    model = train(replies)
    first = sorted({replies.prompts.index(p) for p in set(replies.prompts)})[-100]
    assert model.about["num_prompts"] == 100
    assert model.about["num_replies"] == len(replies.prompts) - first
