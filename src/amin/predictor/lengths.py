"""Lengths learned from the replies of this very server, as they end; nothing to train.

A survival estimate (`amin.predictor.survival`) for each class that a trusted client names, and for
all together. From it comes what a policy is told of the mean and mean square of what remains,
whichever predictor gives the bounds.
"""

from __future__ import annotations

from amin.predictor.survival import (
    ALL,
    CUT,
    ENDS_PER_REFRESH,
    FINISHED,
    HELD,
    TOLD,
    Ints,
    new_survival,
    note,
    refresh_with,
)
from amin.request import Request

MAX_GROUPS = 63
"""Classes beyond these are learned with all others."""


class Groups:
    """Numbers for the groups that lengths are learned by: a class's own, or that of all."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def of(self, name: str | None, is_told: bool) -> int:
        """The group of a request of this class; `is_told` says that there is an interval.

        `TOLD` where there is no class and an interval, which is then believed.
        """
        if name is None:
            return TOLD if is_told else ALL
        if name not in self._numbers and len(self._numbers) < MAX_GROUPS:
            self._numbers[name] = len(self._numbers) + 1
        return self._numbers.get(name, ALL)


class LearnedLengths:
    """Learns as replies end.

    `survival` is the estimate, of which rows and columns are those of `amin.predictor.survival`.
    """

    def __init__(self) -> None:
        self.survival = new_survival(MAX_GROUPS)
        self._groups = Groups()
        self._ends = 0

    def group(self, request: Request) -> int:
        """Whose replies this one's length is learned with; see `Groups`."""
        return self._groups.of(request.predicted_class, request.hint is not None)

    def learn(self, request: Request, num_output_tokens: int, is_censored: bool) -> None:
        """Count a reply at its end, or as longer than what was made of it."""
        what = CUT if is_censored else FINISHED
        note(self.survival, what, self.group(request), num_output_tokens, 1.0)
        self._ends += 1

    def hold(self, group: int, num_output_tokens: int, weight: float) -> None:
        """A reply of which so many tokens are made begins (1) or ceases (-1) to wait."""
        note(self.survival, HELD, group, num_output_tokens, weight)

    @property
    def is_due(self) -> bool:
        """Whether enough has ended to learn from."""
        return self._ends >= ENDS_PER_REFRESH

    def refresh(self, groups: Ints, num_output_tokens: Ints) -> None:
        """Learn from all that was counted, and from the replies in progress, given as arrays."""
        self._ends = 0
        refresh_with(self.survival, len(self._groups), groups, num_output_tokens)
