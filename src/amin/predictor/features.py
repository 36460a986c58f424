"""What a server sees of a request that may tell long replies from short ones.

A feature's value is a group whose replies are learned together: the length that a trusted client
tells, the class and the client that it names, how the prompt begins (a system prompt, a template),
how long the prompt is, and the cap on the output. Which of them is used is decided by what they
have told (`amin.predictor.choice`): what a client says is one more thing to learn from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from amin.predictor.survival import ALL
from amin.request import LengthEstimate, Request

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


def group_number(feature: int, number: int) -> int:
    """The group of a feature's value: numbers count from 1 in each feature."""
    return feature * MAX_GROUPS + number


class Values:
    """The groups of the values of one feature, given away as these become common.

    When all are taken, a value that has become far more common than the rarest that has one takes
    it over. So tenants and templates of last month make room for those of today, and where there
    are many alike, those that have a group keep it. Each that is taken over is added to
    `handed_over`, which several features may share, for whoever forgets what was learned of it.
    """

    def __init__(self, feature: int, handed_over: list[int] | None = None) -> None:
        self._feature = feature
        self._sightings = SIGHTINGS[feature]
        self.groups: dict[Hashable, int] = {}
        self.handed_over = [] if handed_over is None else handed_over
        self._arrivals: dict[int, int] = {}
        self._seen: dict[Hashable, int] = {}
        self._since_halving = 0
        # No group has fewer arrivals.
        self._fewest = 0

    def restore(self, groups: Mapping[Any, int], arrivals: Mapping[int, int]) -> None:
        """Go on with groups that were given before, after so many arrivals in each."""
        self.groups, self._arrivals = dict(groups), dict(arrivals)

    def count(self, value: Hashable) -> int:
        """A request with this value arrives: its group, or `ALL`."""
        group = self.groups.get(value)
        if group is not None:
            self._arrivals[group] += 1
            return group
        seen = self._seen.pop(value, 0) + 1
        if seen >= self._sightings:
            if len(self.groups) < MAX_GROUPS:
                group = group_number(self._feature, len(self.groups) + 1)
                return self._give(value, group, seen)
            group = self._rarer_than(seen)
            if group is not None:
                self.handed_over.append(group)
                return self._give(value, group, seen)
        self._seen[value] = seen
        if len(self._seen) > MAX_CANDIDATES:
            del self._seen[next(iter(self._seen))]
        if len(self.groups) == MAX_GROUPS:
            self._since_halving += 1
            if self._since_halving == ARRIVALS_PER_HALVING:
                self._halve()
        return ALL

    def _give(self, value: Hashable, group: int, num_arrivals: int) -> int:
        self.groups[value], self._arrivals[group] = group, num_arrivals
        return group

    def _rarer_than(self, seen: int) -> int | None:
        """The group that a value seen so often takes from another, who loses it; None for none."""
        if seen <= RARER * self._fewest:
            return None
        rarest = min(self.groups, key=lambda other: self._arrivals[self.groups[other]])
        self._fewest = self._arrivals[self.groups[rarest]]
        return self.groups.pop(rarest) if seen > RARER * self._fewest else None

    def _halve(self) -> None:
        self._since_halving = self._fewest = 0
        self._arrivals = {group: count // 2 for group, count in self._arrivals.items()}
        self._seen = {value: seen // 2 for value, seen in self._seen.items() if seen > 1}


class Groups:
    """The groups of requests: a row of numbers from 1 on, of which each feature has its own."""

    def __init__(self) -> None:
        self._handed_over: list[int] = []
        self.values = [Values(feature, self._handed_over) for feature in range(len(FEATURES))]
        self.hash_names_with("")

    def hash_names_with(self, secret: str) -> None:
        """From now on no hash of a name can be made without `secret`; before the first arrival."""

        @lru_cache(MAX_CANDIDATES)
        def digest(name: str) -> str:
            # A cache salt is whatever a client sends, lone surrogates too.
            return keyed_hash(secret, name.encode(errors="surrogatepass"))

        self._digest = digest

    def digest(self, name: str | None) -> str | None:
        """Names are not kept, nor written to disk: only what cannot be turned back into them."""
        return None if name is None else self._digest(name)

    def of(self, request: Request) -> tuple[int, ...]:
        """A group for each feature, `ALL` where the value is missing, or rare so far."""
        # None is no value's key.
        found = zip(self.values, self._values_of(request), strict=True)
        return tuple([feature.groups.get(value, ALL) for feature, value in found])

    def arrived(self, request: Request) -> tuple[tuple[int, ...], Sequence[int]]:
        """(`of`, groups that begin anew), for a request that arrives: counts its values."""
        found = zip(self.values, self._values_of(request), strict=True)
        row = tuple([ALL if value is None else feature.count(value) for feature, value in found])
        if not self._handed_over:
            return row, ()
        anew = self._handed_over.copy()
        self._handed_over.clear()
        return row, anew

    def _values_of(self, request: Request) -> tuple[Hashable, ...]:
        """The request's value of each of `FEATURES`, None where it has none."""
        hint, named, client = request.hint, request.predicted_class, request.client
        return (
            None if hint is None else length_class(told_length(hint, request.max_tokens)),
            None if named is None else self._digest(named),
            None if client is None else self._digest(client),
            beginning_of(request.prompt_token_ids),
            length_class(request.num_prompt_tokens),
            request.max_tokens,
        )


def keyed_hash(secret: str, name: bytes) -> str:
    """24 hexadecimal digits that stand for `name`; equal for equal names under one secret."""
    key = hashlib.blake2b(secret.encode(), digest_size=32).digest()
    return hashlib.blake2b(name, digest_size=12, key=key).hexdigest()


def told_length(hint: LengthEstimate, max_tokens: int) -> int:
    """The middle of an interval; its lower end where the upper one is but the cap."""
    return hint.lower if hint.upper >= max_tokens else (hint.lower + hint.upper) // 2


def beginning_of(prompt: Sequence[int]) -> int | None:
    """Equal for prompts that begin alike; None for short ones."""
    return hash(tuple(prompt[:BEGINNING])) if len(prompt) >= BEGINNING else None


def length_class(num_tokens: int) -> int:
    """Two per doubling."""
    return (num_tokens * num_tokens).bit_length()
