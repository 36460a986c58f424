"""A prompt as hashed n-grams: what a linear model of reply lengths reads, in microseconds.

Of the text, in lower case: its words and pairs of words, all runs of three to five bytes, its first
words and its last (a prompt often begins or ends with what is wanted), and how many there are of
each. Nothing is fitted, there is no vocabulary, and any language or code will do.

Compiled: in Python this takes longer than a step of the engine.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from amin.arrays import Floats, Ints
from amin.jit import cached_njit, called_njit
from amin.prompt_text import both_ends

Bytes = npt.NDArray[np.uint8]
Weights = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]

NUM_BUCKETS = 1 << 18

SHORTEST_RUN, LONGEST_RUN = 3, 5
NUM_FIRST, NUM_LAST = 12, 25

_OFFSET, _PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)
_FIRST, _LAST, _PAIR, _RUN = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)


def as_bytes(prompt: str) -> Bytes:
    """What is read of a prompt."""
    # A lone surrogate is no reason to fail; its place is read as any other letter.
    return np.frombuffer(b"".join(both_ends(prompt.encode("utf-8", "replace"))), np.uint8)


@cached_njit
def score(text: Bytes, weights: Weights) -> float:
    """The sum of the weights of all n-grams, each times its value."""
    buckets, values = ngrams(text)
    total = 0.0
    for i in range(buckets.size):
        total += weights[buckets[i]] * values[i]
    return total


@cached_njit
def ngrams(text: Bytes) -> tuple[Ints, Floats]:
    """(bucket, value) of each n-gram, one after the other, equal ones again.

    The values of a kind are 1 / sqrt(how many there are): the more there are, the less each counts,
    and yet all together tell how long the prompt is.
    """
    lowered, words = _read(text)
    num_runs = (LONGEST_RUN - SHORTEST_RUN + 1) * text.size
    buckets, values, end = _of_words(words, num_runs)
    for length in range(SHORTEST_RUN, LONGEST_RUN + 1):
        start = end
        for i in range(text.size - length + 1):
            run = _OFFSET
            for j in range(i, i + length):
                run = (run ^ np.uint64(lowered[j])) * _PRIME
            buckets[end] = _bucket(run + _RUN)
            end += 1
        _weigh(values, start, end)
    return buckets[:end], values[:end]


@cached_njit
def token_ngrams(tokens: Ints) -> tuple[Ints, Floats]:
    """The same of a prompt whose tokens are known and not its text: these are its words."""
    words = np.empty(tokens.size, np.uint64)
    for i in range(tokens.size):
        words[i] = (_OFFSET ^ np.uint64(tokens[i])) * _PRIME
    buckets, values, end = _of_words(words, 0)
    return buckets[:end], values[:end]


@called_njit
def _of_words(words: Words, more: int) -> tuple[Ints, Floats, int]:
    """(buckets, values, how many there are) of words and pairs, with room for more."""
    most = words.size * 2 + NUM_FIRST + NUM_LAST + more
    buckets, values = np.empty(most, np.int64), np.empty(most)
    first, last = words[:NUM_FIRST], words[max(words.size - NUM_LAST, 0) :]
    end = 0
    for salt, of in ((np.uint64(0), words), (_FIRST, first), (_LAST, last)):
        for word in of:
            buckets[end] = _bucket(word + salt)
            end += 1
        _weigh(values, end - of.size, end)
    start = end
    for i in range(words.size - 1):
        buckets[end] = _bucket((words[i] * _PRIME) ^ (words[i + 1] + _PAIR))
        end += 1
    _weigh(values, start, end)
    return buckets, values, end


@called_njit
def _read(text: Bytes) -> tuple[Bytes, Words]:
    """The text in lower case, and a hash of each word: letters and digits, or one other sign."""
    lowered, words = np.empty(text.size, np.uint8), np.empty(text.size, np.uint64)
    num_words, word, is_inside = 0, _OFFSET, False
    for i in range(text.size):
        sign = text[i]
        if 65 <= sign <= 90:
            sign += np.uint8(32)
        lowered[i] = sign
        if 97 <= sign <= 122 or 48 <= sign <= 57 or sign >= 128:
            word, is_inside = (word ^ np.uint64(sign)) * _PRIME, True
            continue
        if is_inside:
            words[num_words] = word
            num_words, word, is_inside = num_words + 1, _OFFSET, False
        if sign > 32:
            words[num_words] = (_OFFSET ^ np.uint64(sign)) * _PRIME
            num_words += 1
    if is_inside:
        words[num_words] = word
        num_words += 1
    return lowered, words[:num_words]


@called_njit
def _weigh(values: Floats, start: int, end: int) -> None:
    for i in range(start, end):
        values[i] = 1 / np.sqrt(end - start)


@called_njit
def _bucket(value: int) -> int:
    """The finalizer of MurmurHash3, which spreads any two values far apart."""
    mixed = np.uint64(value)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return int((mixed ^ (mixed >> np.uint64(33))) & np.uint64(NUM_BUCKETS - 1))
