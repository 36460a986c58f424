"""A `TextModel` from a log of prompts and the lengths of their replies.

Ridge regression (scikit-learn) of the logarithm of the length on hashed n-grams, the rarer the
weightier; several replies to one prompt are several labels, and where the log names models, each
model's habit is taken out first. A reply that was cut counts as those that ended beyond it. The
classes are tenths of the prompts by the scores that they have when the model has not seen them
(cross-validation), and their lengths those of just these replies: what the model promises is what
it did on prompts that were new to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from amin.arrays import Floats, Ints
from amin.errors import ConfigError
from amin.predictor.ngrams import NUM_BUCKETS, as_bytes, ngrams
from amin.predictor.text import LEVELS, TextModel

ALPHA = 300.0
"""Of the ridge; from 100 to 1,000 the rank correlation on arena-hard is the same to .01."""

MAX_PROMPTS = 20_000
"""Of a longer log the last ones: each takes some 30 KB while it is learned from."""

NUM_FOLDS = 5
MAX_CLASSES = 10
PROMPTS_PER_CLASS = 30

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Replies:
    """A log in columns, an entry per reply: prompts, tokens, whether cut, and by which model."""

    prompts: Sequence[str]
    num_output_tokens: Ints
    is_cut: Flags
    models: Sequence[str]


def train(replies: Replies, advance: Callable[[], None] = lambda: None) -> TextModel:
    """Fit a model; `advance` is called `NUM_FOLDS` + 1 times.

    Raises `ConfigError` where there is too little to learn from, or no scikit-learn.
    """
    if find_spec("sklearn") is None:
        raise ConfigError("train: scikit-learn is not installed; pip install 'amin[train]'")
    replies = _latest(replies)
    texts, of_prompt = np.unique(np.array(replies.prompts, np.object_), return_inverse=True)
    if len(texts) < 2 * NUM_FOLDS:
        raise ConfigError(f"log: {len(texts)} different prompts, allowed: {2 * NUM_FOLDS} or more")
    labels = labels_of(replies, of_prompt)
    target = np.bincount(of_prompt, labels) / np.bincount(of_prompt)
    weight = np.sqrt(np.bincount(of_prompt))
    matrix, rareness = _matrix(texts.tolist())
    unseen = _unseen(matrix, target, weight, advance)
    weights, intercept = _fit(matrix, target, weight)
    advance()
    num_classes = int(np.clip(len(texts) // PROMPTS_PER_CLASS, 1, MAX_CLASSES))
    edges = np.quantile(unseen, np.arange(1, num_classes) / num_classes)
    number = np.searchsorted(edges, unseen)[of_prompt]
    lengths = np.exp(labels)
    by_class = [np.quantile(lengths[number == i], LEVELS) for i in range(num_classes)]
    return TextModel(
        weights=(weights * rareness).astype(np.float32),
        edges=np.asarray(edges - intercept, np.float64),
        quantiles=np.array(by_class, np.float64),
        about=_about(texts.tolist(), len(labels), unseen, target),
    )


def _latest(replies: Replies) -> Replies:
    """The replies to the last `MAX_PROMPTS` prompts."""
    seen: set[str] = set()
    for start in range(len(replies.prompts) - 1, -1, -1):
        seen.add(replies.prompts[start])
        if len(seen) > MAX_PROMPTS:
            kept = slice(start + 1, None)
            return Replies(
                replies.prompts[kept], replies.num_output_tokens[kept], replies.is_cut[kept],
                replies.models[kept],
            )  # fmt: skip
    return replies


def _unseen(matrix: Any, target: Floats, weight: Floats, advance: Callable[[], None]) -> Floats:
    """The score of each prompt by a model that has not seen it."""
    unseen = np.zeros(len(target))
    folds = np.random.default_rng(0).permutation(len(target)) % NUM_FOLDS
    for fold in range(NUM_FOLDS):
        mine, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        weights, intercept = _fit(matrix[others], target[others], weight[others])
        unseen[mine] = matrix[mine] @ weights + intercept
        advance()
    return unseen


def _about(
    texts: Sequence[str], num_replies: int, unseen: Floats, target: Floats
) -> dict[str, Any]:
    from scipy.stats import spearmanr

    sizes = [len(text) for text in texts]
    return {
        "num_prompts": len(texts),
        "num_replies": num_replies,
        "rank_correlation": float(spearmanr(unseen, target).statistic),
        "rank_correlation_of_prompt_length": float(spearmanr(sizes, target).statistic),
    }


def labels_of(replies: Replies, of_prompt: Ints) -> Floats:
    """Logarithms of lengths, as if all were by one model of average habit."""
    labels = np.log(np.maximum(replies.num_output_tokens, 1))
    _, by = np.unique(np.array(replies.models, np.str_), return_inverse=True)
    for model in range(int(by.max(initial=0)) + 1):
        mine = by == model
        labels[mine] = _cut_as_those_beyond(labels[mine], replies.is_cut[mine])
    mean = float(labels.mean())
    habit = np.zeros(int(by.max(initial=0)) + 1)
    # Models may have answered different prompts: each is compared on those that it has.
    for _ in range(20):
        prompt = np.bincount(of_prompt, labels - habit[by]) / np.bincount(of_prompt)
        habit = np.bincount(by, labels - prompt[of_prompt]) / np.bincount(by)
    return np.asarray(labels - habit[by] + (mean - float((labels - habit[by]).mean())))


def _cut_as_those_beyond(labels: Floats, is_cut: Flags) -> Floats:
    """Each label of a cut reply becomes the mean of those that ended beyond, if any did."""
    ended = np.sort(labels[~is_cut])
    sums = np.concatenate([np.cumsum(ended[::-1])[::-1], [0.0]])
    first = np.searchsorted(ended, labels, side="right")
    num_beyond = len(ended) - first
    beyond = sums[first] / np.maximum(num_beyond, 1)
    return np.asarray(np.where(is_cut & (num_beyond > 0), beyond, labels))


def _matrix(texts: Sequence[str]) -> tuple[Any, Floats]:
    """A row for each prompt, its n-grams the weightier the rarer they are; and this rareness."""
    from scipy.sparse import csr_matrix

    parts = [ngrams(as_bytes(text)) for text in texts]
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in parts)])
    buckets, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    matrix = csr_matrix((values, buckets, ends), shape=(len(texts), NUM_BUCKETS))
    matrix.sum_duplicates()
    num_with = np.bincount(matrix.indices, minlength=NUM_BUCKETS)
    rareness = np.log((len(texts) + 1) / (num_with + 1))
    matrix.data *= rareness[matrix.indices]
    return matrix, rareness


def _fit(matrix: Any, target: Floats, weight: Floats) -> tuple[Floats, float]:
    """(weight of each bucket, intercept)."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=ALPHA, solver="sparse_cg").fit(matrix, target, sample_weight=weight)
    return model.coef_, float(model.intercept_)
