"""Hashed n-grams of a prompt."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amin.predictor.ngrams import NUM_BUCKETS, as_bytes, ngrams, score
from amin.prompt_text import LONGEST

MASK = 2**64 - 1


def _fnv(data: bytes) -> int:
    value = 14695981039346656037
    for byte in data:
        value = (value ^ byte) * 1099511628211 & MASK
    return value


def _bucket(value: int) -> int:
    value &= MASK
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & MASK
    return (value ^ value >> 33) % NUM_BUCKETS


def _slowly(words: list[bytes], text: bytes) -> dict[int, float]:
    """The same by an obvious implementation, given the words."""
    hashes = [_fnv(word) for word in words]
    kinds = [hashes, [h + 1 for h in hashes[:12]], [h + 2 for h in hashes[-25:]]]
    pairs = pairwise(hashes)
    kinds.append([(a * 1099511628211 & MASK) ^ (b + 3 & MASK) for a, b in pairs])
    kinds += [[_fnv(text[i : i + n]) + 4 for i in range(len(text) - n + 1)] for n in (3, 4, 5)]
    total: dict[int, float] = {}
    for kind in kinds:
        for value in kind:
            key = _bucket(value)
            total[key] = total.get(key, 0.0) + 1 / math.sqrt(len(kind))
    return total


@given(st.lists(st.sampled_from(["write", "a", "7", "?", "naïve", "(", "été"]), max_size=40))
def test_what_is_read_is_what_an_obvious_implementation_reads(words: list[str]) -> None:
    """Words and pairs, the first and the last, runs of 3 to 5 bytes; each kind's values alike."""
    text = " ".join(words)
    buckets, values = ngrams(as_bytes(text))
    found: dict[int, float] = {}
    for bucket, value in zip(buckets.tolist(), values.tolist(), strict=True):
        found[bucket] = found.get(bucket, 0.0) + value
    encoded = [word.encode() for word in words]
    assert found == pytest.approx(_slowly(encoded, text.encode()))


def test_a_score_is_the_sum_of_the_weights() -> None:
    """Each n-gram's weight times its value."""
    weights = np.random.default_rng(0).normal(size=NUM_BUCKETS).astype(np.float32)
    text = as_bytes("Write a short poem about the sea, please.")
    buckets, values = ngrams(text)
    assert score(text, weights) == pytest.approx(float((weights[buckets] * values).sum()))


def test_case_does_not_matter_and_order_does() -> None:
    """WRITE is write; "one two" is not "two one"."""
    upper, lower = (ngrams(as_bytes(t))[0].tolist() for t in ("WRITE It", "write it"))
    assert upper == lower
    ab, ba = (set(ngrams(as_bytes(t))[0].tolist()) for t in ("one two", "two one"))
    assert ab != ba


@pytest.mark.parametrize("prompt", ["", "\ud800", "\0", "x" * 10**6, "é" * 10**5])
def test_any_text_can_be_read(prompt: str) -> None:
    """Empty, broken, huge: of a long one, the beginning and the end."""
    text = as_bytes(prompt)
    assert text.size <= LONGEST
    assert math.isfinite(score(text, np.ones(NUM_BUCKETS, np.float32)))


def test_of_a_long_prompt_both_ends_are_read() -> None:
    """What differs only in the middle is the same; at either end, not."""

    def read(start: str, middle: str, end: str) -> list[int]:
        text = start + "a" * LONGEST + middle + "a" * LONGEST + end
        return ngrams(as_bytes(text))[0].tolist()  # type: ignore[no-any-return]

    assert read("x ", "y", " z") == read("x ", "w", " z")
    assert read("x ", "y", " z") != read("v ", "y", " z")
    assert read("x ", "y", " z") != read("x ", "y", " v")
