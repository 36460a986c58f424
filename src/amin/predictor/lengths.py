"""Lengths learned from the replies of this very server, as they end; nothing to train.

A survival estimate (`amin.predictor.survival`) for all replies and for groups of them, by each
feature that a server sees of a request (`amin.predictor.features`); the feature that has told most
is used (`amin.predictor.choice`). From it comes what a policy is told of the mean and mean square
of what remains, whichever predictor gives the bounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amin.arrays import Floats, Ints, row_writer
from amin.predictor.choice import MARGIN, group_of, judge, lower_bound_of, new_gains
from amin.predictor.features import CLASS, FEATURES, NUM_GROUPS, Groups, Values
from amin.predictor.survival import (
    CUT,
    FINISHED,
    HELD,
    begin_anew,
    is_due,
    new_survival,
    note,
    refresh_with,
)
from amin.request import Request

Row = Sequence[int] | Ints

_NOBODY = np.zeros(0, np.int64)

_write_groups = row_writer(len(FEATURES))


def best_feature(gains: Floats, has_values: Sequence[bool]) -> str | None:
    """The feature that has told most, of those of which any value was common; None for none."""
    seen = [feature for feature, has_any in enumerate(has_values) if has_any]
    best = max(seen, key=lambda feature: gains[feature], default=None)
    return None if best is None or gains[best] < MARGIN else FEATURES[best]


class LearnedLengths:
    """Learns as replies end.

    `survival` is the estimate and `gains` what each feature has told, as the compiled parts have
    them. A request's groups are a row of integers, one for each feature.
    """

    def __init__(self) -> None:
        self.survival = new_survival(NUM_GROUPS)
        self.gains = new_gains(len(FEATURES))
        self._groups = Groups()
        self._num_new = self._num_ended = 0
        self._row = np.zeros((1, len(FEATURES)), np.int64)
        # In an engine, a bound is asked for right after the arrival: who arrived, and its groups.
        self._newest: Request | None = None
        self._newest_row = np.zeros_like(self._row)
        self._compile()

    def hash_names_with(self, secret: str) -> None:
        """From now on no hash of a name can be made without `secret`; before the first arrival."""
        self._groups.hash_names_with(secret)

    @property
    def values(self) -> Sequence[Values]:
        """The values of each feature that have groups."""
        return self._groups.values

    def arrived(self, request: Request) -> tuple[int, ...]:
        """Whose replies this one's length is learned with, by each feature."""
        row, anew = self._groups.arrived(request)
        for group in anew:
            begin_anew(self.survival, group)
        self._newest = request
        _write_groups(self._newest_row, 0, row)
        return row

    def reclassed(self, groups: Sequence[int], name: str) -> tuple[int, ...]:
        """The groups of a request that has arrived, when its class is known later than that."""
        values = self.values[CLASS]
        group = values.count(self._groups.digest(name))
        if values.handed_over:
            values.handed_over.clear()
            begin_anew(self.survival, group)
        return (*groups[:CLASS], group, *groups[CLASS + 1 :])

    @property
    def feature(self) -> str | None:
        """The feature that has told most; None where all replies are learned together."""
        return best_feature(self.gains, [bool(values.groups) for values in self.values])

    def in_words(self) -> str:
        """The feature that is used, and what each has told, for a log."""
        told = ", ".join(
            f"{name} {gain:+.0f}" for name, gain in zip(FEATURES, self.gains, strict=True)
        )
        return f"{self.feature or 'all replies together'} (nats gained: {told})"

    def lower_bound(self, request: Request, coverage: float) -> int:
        """The length that a share `coverage` of such replies has at least."""
        row = self._newest_row
        if request is not self._newest:
            self._row[0], row = self._groups.of(request), self._row
        return int(lower_bound_of(self.survival, row, self.gains, 0, coverage))

    def learn(self, groups: Row, num_output_tokens: int, is_censored: bool) -> None:
        """Count a reply at its end, or as longer than what was made of it."""
        self._row[0] = groups
        what = CUT if is_censored else FINISHED
        judge(self.gains, self.survival, self._row, 0, what, num_output_tokens)
        note(self.survival, what, self._row, 0, num_output_tokens, 1.0)
        self._num_new += 1
        self._num_ended += 1

    def hold(self, groups: Row, num_output_tokens: int, weight: float) -> None:
        """A reply of which so many tokens are made begins (1) or ceases (-1) to wait."""
        self._row[0] = groups
        note(self.survival, HELD, self._row, 0, num_output_tokens, weight)

    @property
    def is_due(self) -> bool:
        """Whether enough has ended to learn from."""
        return bool(is_due(self._num_new, self._num_ended))

    def _compile(self) -> None:
        """Now, not in the first step under load: nobody arrives, and a reply of nothing ends."""
        judge(self.gains, self.survival, self._row, 0, FINISHED, 0)
        note(self.survival, FINISHED, self._row, 0, 0, 1.0)
        begin_anew(self.survival, NUM_GROUPS)
        group_of(self.survival, self._row, self.gains, 0)
        lower_bound_of(self.survival, self._row, self.gains, 0, 0.5)
        is_due(0, 0)
        self.refresh(self._row)

    def refresh(self, groups: Ints, slots: Ints = _NOBODY, made: Ints = _NOBODY) -> None:
        """Learn from all that was counted, and from the replies in progress.

        `slots` says which rows of the matrix `groups` these have, `made` how many tokens.
        """
        self._num_new = 0
        refresh_with(self.survival, groups, slots, made)
