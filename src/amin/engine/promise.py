"""The tail promise: a guard over any policy, so that nobody is passed for ever.

Time is work: the sum over steps of the KV tokens in use, or of the share of the running requests in
`max_num_seqs` where that is more, and for each token computed what it costs beside (`Rates`). On
arrival a request notes the work done so far and the backlog that it found: what is expected of all
present, itself included, until the last of them has ended. When `promise` times the largest backlog
of anybody present has been done since then, and the request still waits, it goes next, whatever the
policy's order. In words: nobody is passed by more than X times the work that the worst-off request
present found on arrival, nor by 8X times what it found itself.

Compiled, over two arrays, for the simulator's loop and for the engine's alike. A request is a slot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from amin.engine.heap import SLOT, pop, push, remove
from amin.engine.projection import Ints
from amin.jit import cached_njit

Floats = npt.NDArray[np.float64]

# What `noted` has of each request: the work done and the backlog when it arrived; and, while it
# waits, what is expected of it.
WORK, BACKLOG, EXPECTED = range(3)

# Rows of `queues`: those who wait, by arrival, and those present, by backlog, as heaps; what
# becomes of each slot; whether it is in the first heap; and the sizes of both.
OLDEST, LARGEST, FATE, IS_QUEUED, SIZES = 0, 3, 6, 7, 8
ABSENT, WAITING, RUNNING = range(3)

OWN_BACKLOGS = 8.0
"""Bounds starvation under lasting overload, when the largest backlog outruns the work done."""


TOKENS_PER_STEP = 200.0
"""Computing so many tokens takes as long as a step takes without any: some 30 ms, and .15 ms each,
on the engines that we know. Traffic of long prompts needs it; within a factor of two it is all the
same (docs/design.md)."""


class Rates(NamedTuple):
    """What is work, in KV tokens x steps: of each computed token, and of each request in a step."""

    per_token: float
    per_seq: float

    @classmethod
    def of(cls, capacity_tokens: int, max_num_seqs: int) -> Rates:
        """The rates of an engine that is full when its memory is or when so many requests run."""
        return cls(capacity_tokens / TOKENS_PER_STEP, capacity_tokens / max_num_seqs)


def new_guard(num_slots: int) -> tuple[Floats, Ints]:
    """(noted, queues) of nobody yet."""
    return np.zeros((num_slots, EXPECTED + 1)), np.zeros((9, num_slots + 2), np.int64)


@cached_njit
def arrives(noted: Floats, queues: Ints, slot: int, work: float, backlog: float) -> None:
    """A new request, which waits."""
    noted[slot, WORK], noted[slot, BACKLOG] = work, backlog
    push(queues[LARGEST:FATE], queues[SIZES, 1], -np.int64(backlog), slot, slot)
    queues[SIZES, 1] += 1


@cached_njit
def waits(queues: Ints, slot: int, arrival: int) -> None:
    """It waits, for the first time or again; smaller `arrival` came earlier."""
    queues[FATE, slot] = WAITING
    if not queues[IS_QUEUED, slot]:
        queues[IS_QUEUED, slot] = 1
        push(queues[OLDEST:LARGEST], queues[SIZES, 0], arrival, 0, slot)
        queues[SIZES, 0] += 1


@cached_njit
def overdue(noted: Floats, queues: Ints, work: float, promise: float) -> int:
    """Who has waited longest, if it is to go next now; else -1."""
    oldest, largest = queues[OLDEST:LARGEST], queues[LARGEST:FATE]
    while queues[SIZES, 0] and queues[FATE, oldest[SLOT, 0]] != WAITING:
        queues[IS_QUEUED, pop(oldest, queues[SIZES, 0])] = 0
        queues[SIZES, 0] -= 1
    while queues[SIZES, 1] and queues[FATE, largest[SLOT, 0]] == ABSENT:
        pop(largest, queues[SIZES, 1])
        queues[SIZES, 1] -= 1
    if not queues[SIZES, 0]:
        return -1
    slot: int = oldest[SLOT, 0]
    most = max(noted[largest[SLOT, 0], BACKLOG], noted[slot, BACKLOG])
    passed = work - noted[slot, WORK]
    if passed >= promise * min(most, OWN_BACKLOGS * noted[slot, BACKLOG]):
        return slot
    return -1


@cached_njit
def forget(queues: Ints, slot: int) -> None:
    """The request has ended, and its slot may be used again."""
    queues[FATE, slot] = ABSENT
    remove(queues[LARGEST:FATE], queues[SIZES, 1], slot)
    queues[SIZES, 1] -= 1
    if queues[IS_QUEUED, slot]:
        queues[IS_QUEUED, slot] = 0
        remove(queues[OLDEST:LARGEST], queues[SIZES, 0], slot)
        queues[SIZES, 0] -= 1
