"""Lengths foretold by the replies to the most similar prompts; nothing to train: ``similar``.

As SageSched (arXiv 2603.07917) does. A prompt is a vector: its n-grams (`amin.predictor.ngrams`),
the rarer the weightier, added up into 4,096 numbers. The nearest sixteen by their angle (usearch,
an approximate search) say how long the reply will be; what they say, in classes of a quarter of a
doubling, is also told to what learns from live traffic, which puts it right.

It reads the text where that is seen and the tokens elsewhere, so in an engine it needs no other
process; it has a thread, since a search takes longer than a step should.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from amin.arrays import Floats, Ints
from amin.errors import ConfigError
from amin.jit import cached_njit
from amin.predictor.interface import Predictor
from amin.predictor.ngrams import (
    NUM_BUCKETS,
    Weights,
    as_bytes,
    ngrams,
    token_ngrams,
)
from amin.prompt_text import both_ends
from amin.request import LengthEstimate, Request

NUM_DIMENSIONS = 4096
"""With 1,024 the rank correlation on arena-hard is .23, with 2,048 .30, from 4,096 on .35."""

NUM_NEIGHBOURS = 16
FEWEST = 32
"""Replies before anything is said."""

MAX_REPLIES = 8_000
"""That are remembered, some 40 MB; then the oldest goes."""

Vector = npt.NDArray[np.float32]


class SimilarPredictor(Predictor):
    """Remembers what was asked, as vectors, and how long the replies were."""

    name = "similar"

    def __init__(self) -> None:
        if find_spec("usearch") is None:
            raise ConfigError("predictor: similar needs usearch; pip install 'amin[similar]'")
        self._lengths = np.zeros(MAX_REPLIES, np.int64)
        self._num_with = np.zeros(NUM_BUCKETS, np.float32)
        self._num_learned = 0

    @cached_property
    def _index(self) -> Any:
        # Loaded when it is needed: not to check a setting.
        from usearch.index import Index

        return Index(ndim=NUM_DIMENSIONS, metric="cos", dtype="i8")

    def __deepcopy__(self, memo: dict[int, Any]) -> SimilarPredictor:
        again = SimilarPredictor()
        kept = {name: value for name, value in vars(self).items() if name != "_index"}
        vars(again).update(deepcopy(kept, memo))
        if self._num_learned:
            again._index = self._index.copy()
        return again

    def predict(self, request: Request) -> LengthEstimate:
        """From the shortest to the longest reply among the nearest, and the class of their mean."""
        limit = max(request.max_tokens, 1)
        read = _read(request)
        if read is None or self._num_learned < FEWEST:
            return LengthEstimate(1, limit)
        found = self._index.search(self._vector(*read), NUM_NEIGHBOURS)
        lengths = self._lengths[found.keys.astype(np.int64)]
        nearness = np.maximum(1 - found.distances, 1e-3)
        mean = np.average(np.log2(lengths), weights=nearness)
        lower, upper = int(lengths.min()), int(lengths.max())
        return LengthEstimate(lower, upper, f"similar {round(4 * mean)}").clamp(limit)

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """Remember it; of a reply that was cut, what there was of it."""
        read = _read(request)
        if read is None or num_output_tokens < 1:
            return
        self._num_with[np.unique(read[0])] += 1
        key = self._num_learned % MAX_REPLIES
        if self._num_learned >= MAX_REPLIES:
            self._index.remove(key)
        self._num_learned += 1
        self._lengths[key] = num_output_tokens
        self._index.add(key, self._vector(*read), threads=1)

    def _vector(self, buckets: Ints, values: Floats) -> Vector:
        return _added_up(buckets, values, self._num_with, self._num_learned)  # type: ignore[no-any-return]


def _read(request: Request) -> tuple[Ints, Floats] | None:
    if request.prompt is not None:
        return ngrams(as_bytes(request.prompt))  # type: ignore[no-any-return]
    tokens = request.prompt_token_ids
    if not len(tokens):
        return None
    beginning, end = both_ends(tokens)
    return token_ngrams(np.array([*beginning, *end], np.int64))  # type: ignore[no-any-return]


@cached_njit
def _added_up(buckets: Ints, values: Floats, num_with: Weights, num_prompts: int) -> Vector:
    """Of each n-gram its value times the logarithm of how rare it is, added or subtracted."""
    vector = np.zeros(NUM_DIMENSIONS, np.float32)
    for i in range(buckets.size):
        bucket = buckets[i]
        value = values[i] * np.log((num_prompts + 1) / (num_with[bucket] + 1))
        if (bucket // NUM_DIMENSIONS) % 2:
            vector[bucket % NUM_DIMENSIONS] += value
        else:
            vector[bucket % NUM_DIMENSIONS] -= value
    return vector
