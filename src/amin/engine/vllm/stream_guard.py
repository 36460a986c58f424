"""The stream promise inside vLLM: the books of `amin.engine.stream_promise`, kept by request."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amin.arrays import Floats, Ints
from amin.engine.reading import (
    LONGEST_PAUSE,
    NUM_SEEN,
    SECONDS_EACH,
    WANTED,
    all_get,
    new_readers,
    seconds_each,
)
from amin.engine.rows import NUM_OUTPUT
from amin.engine.slack import (
    MOST_TO_SLACK,
    all_take,
    leaves_room,
    who_has_to_spare,
    who_makes_way,
)
from amin.engine.stream_promise import (
    IS_IN,
    SECONDS_AHEAD,
    SIZE,
    comes_back,
    is_about_to_wait,
    is_back,
    new_returning,
    pressing,
)
from amin.engine.vllm import seam
from amin.policy.compiled import NUM_COLUMNS, Table


class StreamGuard:
    """How far each reader is, and whose slack ends first.

    `pace` is how many tokens a reader takes in a second, where a request does not say. With
    `has_priorities`, requests have classes of priority.
    """

    def __init__(self, pace: float, has_priorities: bool = False) -> None:
        self._new = new_readers(1)[0]
        self._new[SECONDS_EACH] = seconds_each(pace)
        self._has_priorities = has_priorities
        self._readers = new_readers(256)
        self._returning = new_returning(256)
        self._waiting: dict[int, seam.Request] = {}
        self._now = 0.0
        # The slots of those who ran when tokens last came; None where somebody has left since.
        self._running: Ints | None = None
        # What they take, with so many who have joined in this step; none has been looked at yet.
        self._taken = self._num_looked_at = 0
        # Compile now, not in the first step under load.
        nobody = np.zeros(0, np.int64)
        all_get(self._readers, nobody, nobody, 0.0)
        comes_back(self._readers, self._returning, 0, 0, 0)
        is_back(self._returning, 0)
        pressing(self._returning, 0.0)
        who_has_to_spare(self._readers, nobody, 0.0)
        table = np.zeros((1, NUM_COLUMNS), np.int64)
        all_take(self._readers, table, nobody, nobody, 1.0, 0.0)
        leaves_room(self._readers, table, 0, 0, 0, 0.0)
        is_about_to_wait(self._readers, 0, 0.0)
        who_makes_way(self._readers, nobody, nobody, 0, 0.0)

    def begin_step(self, now: float) -> None:
        """A step begins now."""
        self._now = now
        self._taken = self._num_looked_at = 0

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits for its reader."""
        return not (self._waiting or self._returning[SIZE, 0] or self._returning[IS_IN].any())

    def arrived(self, slot: int, pace: float | None) -> None:
        """A new request in this slot, whose reply is read at this pace; None for the usual one."""
        size = len(self._readers)
        if slot >= size:
            self._readers = np.vstack([self._readers, new_readers(size)])
            more = new_returning(2 * size)
            more[:, :size] = self._returning[:, :size]
            self._returning = more
        self._readers[slot] = self._new
        if pace is not None:
            self._readers[slot, SECONDS_EACH] = seconds_each(pace)

    def tokens_came(self, running: Sequence[seam.Request], table: Table, now: float) -> None:
        """A step's output has come: those who run may have made more; their rows say so, too."""
        slots = np.array([request.amin_slot for request in running], np.int64)
        made = np.array([request.num_output_tokens for request in running], np.int64)
        all_get(self._readers, slots, made, now)
        table[slots, NUM_OUTPUT] = made
        self._running = slots

    def somebody_left(self) -> None:
        """One that ran does so no longer."""
        self._running = None

    def waits(self, request: seam.Request, arrival: int) -> None:
        """It waits, for the first time or again, or it is hidden no longer."""
        slot = request.amin_slot
        self.leaves(slot)
        level = request.priority if self._has_priorities else 0
        comes_back(self._readers, self._returning, slot, arrival, level)
        self._waiting[slot] = request

    def leaves(self, slot: int) -> None:
        """It waits no longer, or cannot be next in this step."""
        if self._waiting.pop(slot, None) is not None:
            is_back(self._returning, slot)

    def leave(self, slots: Sequence[int]) -> None:
        """`leaves` for many, of whom few have begun."""
        for slot in self._waiting.keys() & set(slots):
            self.leaves(slot)

    def num_at_risk(self, slots: Ints, now: float) -> int:
        """Of these, whose replies have begun: how many readers have less than the lead left."""
        of = self._readers[slots]
        is_read = (of[:, SECONDS_EACH] > 0.0) & (of[:, NUM_SEEN] > 0.0)
        return int((is_read & (of[:, WANTED] - now < SECONDS_AHEAD)).sum())

    def has_paused(self, slot: int) -> bool:
        """Whether the reader in this slot once waited for more than a second."""
        return bool(self._readers[slot, LONGEST_PAUSE] > 1.0)

    def pressing(self) -> seam.Request | None:
        """Whose slack ends first, if that is soon; mostly None."""
        if not self._waiting:
            return None
        slot = pressing(self._returning, self._now)
        return self._waiting[slot] if slot >= 0 else None

    def about_to_wait(self) -> seam.Request | None:
        """Who presses and is not back although its reader is about to wait; mostly None."""
        request = self.pressing()
        if request and is_about_to_wait(self._readers, request.amin_slot, self._now):
            return request
        return None

    def who_makes_way(self, slots: Ints, private: Ints, missing: int) -> list[int]:
        """Places in `slots` of those who run and leave for the one that is about to wait."""
        found: Ints = who_makes_way(self._readers, slots, private, missing, self._now)
        return [int(place) for place in found]

    def who_has_to_spare(self, slots: Ints) -> Ints:
        """1 for each whose reader would not notice at once if it left now, else 0."""
        found: Ints = who_has_to_spare(self._readers, slots, self._now)
        return found

    def leaves_room(
        self, table: Table, shared: Ints, running: Sequence[seam.Request], slot: int, room: int,
        block_size: float,
    ) -> bool:  # fmt: skip
        """Whether one more can be admitted without silences: as the compiled one.

        Nobody leaves in a step before somebody is admitted, and who joins is at the end of
        `running`: each is looked at once, and only where it could matter.
        """
        num_others = len(running) - self._num_looked_at
        if self._taken + (num_others + 1) * MOST_TO_SLACK <= room:
            return True
        books = self._readers, table
        if self._running is not None and not self._num_looked_at:
            self._look_at(self._running, *books, shared, block_size)
        if len(running) > self._num_looked_at:
            joined = [request.amin_slot for request in running[self._num_looked_at :]]
            self._look_at(np.array(joined, np.int64), *books, shared, block_size)
        return bool(leaves_room(*books, slot, self._taken, room, self._now))

    def _look_at(
        self, slots: Ints, readers: Floats, table: Table, shared: Ints, block_size: float
    ) -> None:
        self._taken += all_take(readers, table, shared, slots, block_size, self._now)
        self._num_looked_at += len(slots)
