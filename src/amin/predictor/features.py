"""What a server sees of a request that may tell long replies from short ones.

A feature's value is a group whose replies are learned together: the length that a trusted client
tells, the class and the client that it names, how the prompt begins (a system prompt, a template),
how long the prompt is, and the cap on the output. Which of them is used is decided by what they
have told (`amin.predictor.choice`): what a client says is one more thing to learn from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from functools import lru_cache

from amin.predictor.survival import ALL
from amin.request import Request

FEATURES = "told length", "class", "client", "prompt beginning", "prompt length", "max_tokens"
TOLD_LENGTH, CLASS = 0, 1

BEGINNING = 64
"""Tokens of a prompt that say which template it was made from. Longer than what chat templates put
in front of every prompt, shorter than most system prompts."""

SIGHTINGS = 1, 4, 4, 4, 4, 4
"""A value gets a group of its own when it is seen so often: most prompts begin like no other. A
length that is told has one from the start, to be believed before it is learned from."""

MAX_GROUPS = 63
"""Of each feature; values beyond are learned with all others, until they are the more common."""

NUM_GROUPS = len(FEATURES) * MAX_GROUPS

MAX_CANDIDATES = 4096
"""Values of a feature that are watched, to see whether they come again; then the oldest goes."""

RARER = 4
"""A value takes the group of another that came so many times less often, of late."""

ARRIVALS_PER_HALVING = 4096
"""Of values without a group, while all groups are taken: then what was counted counts half."""


class Values:
    """Numbers for the values of one feature: 1, 2, ... as they become common.

    When all are taken, a value that has become far more common than the rarest that has one takes
    it over. So tenants and templates of last month make room for those of today, and where there
    are many alike, those that have a group keep it.
    """

    def __init__(self, sightings: int) -> None:
        self._sightings = sightings
        self.numbers: dict[Hashable, int] = {}
        self._arrivals: dict[int, int] = {}
        self._seen: dict[Hashable, int] = {}
        self._since_halving = 0
        # No number has fewer arrivals.
        self._fewest = 0

    def restore(self, numbers: dict[Hashable, int], arrivals: dict[int, int]) -> None:
        """Go on with numbers that were given before, after so many arrivals of each."""
        self.numbers, self._arrivals = dict(numbers), dict(arrivals)

    def count(self, value: Hashable) -> bool:
        """A request with this value arrives; returns whether it takes over another's number."""
        number = self.numbers.get(value)
        if number is not None:
            self._arrivals[number] += 1
            return False
        seen = self._seen.pop(value, 0) + 1
        if seen >= self._sightings:
            if len(self.numbers) < MAX_GROUPS:
                self._give(value, len(self.numbers) + 1, seen)
                return False
            if self._takes_over(value, seen):
                return True
        self._seen[value] = seen
        if len(self._seen) > MAX_CANDIDATES:
            del self._seen[next(iter(self._seen))]
        if len(self.numbers) == MAX_GROUPS:
            self._since_halving += 1
            if self._since_halving == ARRIVALS_PER_HALVING:
                self._halve()
        return False

    def _give(self, value: Hashable, number: int, num_arrivals: int) -> None:
        self.numbers[value], self._arrivals[number] = number, num_arrivals

    def _takes_over(self, value: Hashable, seen: int) -> bool:
        if seen <= RARER * self._fewest:
            return False
        rarest = min(self.numbers, key=lambda other: self._arrivals[self.numbers[other]])
        self._fewest = self._arrivals[self.numbers[rarest]]
        if seen <= RARER * self._fewest:
            return False
        self._give(value, self.numbers.pop(rarest), seen)
        return True

    def _halve(self) -> None:
        self._since_halving = self._fewest = 0
        self._arrivals = {number: count // 2 for number, count in self._arrivals.items()}
        self._seen = {value: seen // 2 for value, seen in self._seen.items() if seen > 1}


def group_number(feature: int, number: int) -> int:
    """The group of a feature's value."""
    return feature * MAX_GROUPS + number


class Groups:
    """The groups of requests: a row of numbers from 1 on, of which each feature has its own."""

    def __init__(self) -> None:
        self.values = [Values(sightings) for sightings in SIGHTINGS]

    def of(self, request: Request) -> tuple[int, ...]:
        """A group for each feature, `ALL` where the value is missing, or rare so far."""
        return self._row(values_of(request))

    def _row(self, values: Sequence[Hashable]) -> tuple[int, ...]:
        numbers = (f.numbers.get(v) for f, v in zip(self.values, values, strict=True))
        return tuple(
            ALL if number is None else group_number(feature, number)
            for feature, number in enumerate(numbers)
        )

    def arrived(self, request: Request) -> tuple[tuple[int, ...], Sequence[int]]:
        """(`of`, groups that begin anew), for a request that arrives: counts its values."""
        values, anew = values_of(request), []
        for number, value in enumerate(values):
            feature = self.values[number]
            if value is not None and feature.count(value):
                anew.append(group_number(number, feature.numbers[value]))
        return self._row(values), anew


def values_of(request: Request) -> tuple[Hashable, ...]:
    """The request's value of each of `FEATURES`, None where it has none."""
    hint = request.hint
    return (
        None if hint is None else length_class((hint.lower + hint.upper) // 2),
        _digest(request.predicted_class),
        _digest(request.client),
        beginning_of(request.prompt_token_ids),
        length_class(request.num_prompt_tokens),
        request.max_tokens,
    )


@lru_cache(MAX_CANDIDATES)
def _digest(name: str | None) -> str | None:
    """Names are not kept, nor written to disk: only what cannot be turned back into them."""
    return None if name is None else hashlib.blake2b(name.encode(), digest_size=12).hexdigest()


def beginning_of(prompt: Sequence[int]) -> int | None:
    """Equal for prompts that begin alike; None for short ones."""
    return hash(tuple(prompt[:BEGINNING])) if len(prompt) >= BEGINNING else None


def length_class(num_tokens: int) -> int:
    """Two per doubling."""
    return int(num_tokens**2).bit_length()
