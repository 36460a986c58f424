"""What FCFS would have done for each request, put right as lengths become known.

What a request finds on arrival is an estimate: nobody knows how long the replies before it will be,
and at first not even how long replies are here. So what is expected of each request present is
looked at again whenever enough has been learned, and what has ended counts as what it was. Each
then waits, in FCFS, for so much more or less: the sum of what has changed about those before it,
and about itself. Of what clients tell of lengths nothing is believed.

Compiled, over the books of a simulation and of an engine alike. A request is a slot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amin.arrays import Floats, Floats3, Ints
from amin.engine.crowd import NEWEST_FOUND, NUMBER, TYPICAL_PROMPT, TYPICAL_WORK
from amin.engine.expectation import expect_slot, work_of
from amin.engine.promise_books import (
    ARRIVAL_NUMBER,
    CHANGE,
    EXPECTED,
    FATE,
    FOUND,
    LEVEL,
    LEVELS,
    NEXT,
    PREVIOUS,
    RUN_TIME,
    SERVICE,
    TOTAL,
    TYPICAL_OF_LATE,
    WAITING,
    Found,
    Rates,
    arrives,
    ends,
    level_of,
    waits,
)
from amin.engine.rows import (
    ARRIVAL_INDEX,
    MAX_TOKENS,
    NUM_OUTPUT,
    PRIORITY,
    hold_nothing,
    own_prompt,
)
from amin.jit import cached_njit, called_njit
from amin.predictor.choice import learned_group
from amin.predictor.survival import ALL, remaining

PRESENT_PER_END = 64
"""With many present, so many are looked at again for each end, and not all each time."""


class Books(NamedTuple):
    """All that is looked at: facts and what is learned of lengths, and the books of the promise."""

    table: Ints
    groups: Ints
    survival: Floats3
    gains: Floats
    noted: Floats
    queues: Ints
    crowd: Floats
    rates: Rates

    @property
    def flat(self) -> tuple[Ints | Floats | Floats3 | float, ...]:
        """The arrays, and then the parts of `rates`."""
        return *self[:-1], *self.rates


@called_njit
def moments(books: Books, slot: int, made: int) -> tuple[float, float]:
    """(mean, mean square) of the tokens to come after `made`, by what was learned."""
    group = learned_group(books.survival, books.groups, books.gains, slot)
    mean, square = remaining(books.survival, group, made, books.table[slot, MAX_TOKENS])
    return float(mean), float(square)


@cached_njit
def remaining_work(books: Books, slots: Ints, made: Ints, uncomputed: Ints) -> float:
    """What is expected of those who run, after so many tokens made, so many still to compute."""
    work, _ = _running_as_urgent(books, slots, made, uncomputed, LEVELS)
    return float(work)


@called_njit
def _running_as_urgent(
    books: Books, slots: Ints, made: Ints, uncomputed: Ints, level: int
) -> tuple[float, int]:
    """(`remaining_work`, number) of those of this class of priority or of a more urgent one."""
    work, number = 0.0, 0
    for i in range(slots.size):
        if books.queues[LEVEL, slots[i]] <= level:
            mean, square = moments(books, slots[i], made[i])
            held = own_prompt(books.table, slots[i]) + made[i]
            work += work_of(held, mean, square, uncomputed[i], books.rates)
            number += 1
    return work, number


@cached_njit
def found_by(books: Books, slots: Ints, made: Ints, uncomputed: Ints, level: int) -> Found:
    """What one of this class of priority finds, beside those who run, as for `remaining_work`."""
    queues, end, waiting_work, num_waiting = books.queues, len(books.noted) - 1, 0.0, 0
    slot = queues[NEXT, end]
    while slot < end:
        if queues[FATE, slot] == WAITING and queues[LEVEL, slot] <= level:
            waiting_work += books.noted[slot, EXPECTED]
            num_waiting += 1
        slot = queues[NEXT, slot]
    running_work, num_running = _running_as_urgent(books, slots, made, uncomputed, level)
    return Found(waiting_work + running_work, running_work, num_waiting, num_running)


@cached_njit
def finds(books: Books, slot: int, work: float, found: Found) -> None:
    """A request arrives after so much `work`."""
    noted, prompt = books.noted, own_prompt(books.table, slot)
    mean, square = moments(books, slot, 0)
    noted[slot, TOTAL] = work_of(prompt, mean, square, prompt, books.rates)
    noted[slot, RUN_TIME] = mean * books.rates.per_step
    level = level_of(noted, books.table[slot, PRIORITY])
    arrives(noted, books.queues, books.crowd, slot, work, found, level)
    typical = books.crowd[len(books.crowd) - 1]
    if typical[TYPICAL_WORK] == 0.0:
        typical[TYPICAL_PROMPT] = prompt
    typical[TYPICAL_PROMPT] += TYPICAL_OF_LATE * (prompt - typical[TYPICAL_PROMPT])
    _note_typical(books, books.table[slot, MAX_TOKENS])


@called_njit
def _note_typical(books: Books, max_tokens: int) -> None:
    """What a request is that arrives, whatever is told of it, by all replies so far."""
    typical = books.crowd[len(books.crowd) - 1]
    mean, square = remaining(books.survival, ALL, 0, max_tokens)
    prompt = typical[TYPICAL_PROMPT]
    typical[TYPICAL_WORK] = work_of(prompt, mean, square, prompt, books.rates)


@cached_njit
def expect_waiting(books: Books, slot: int) -> float:
    """Note what is expected of one that waits, all of whose tokens are to be computed.

    A whole number, so that what is added and taken away in any order is exact; it is returned.
    """
    made = books.table[slot, NUM_OUTPUT]
    mean, square = moments(books, slot, made)
    return float(_expect(books, slot, made, mean, square))


@cached_njit
def begins_to_wait(books: Books, slot: int) -> float:
    """It waits, for the first time or again: `expect_waiting`, and its place by arrival."""
    expected = expect_waiting(books, slot)
    waits(books.queues, slot, books.table[slot, ARRIVAL_INDEX], books.queues[LEVEL, slot])
    return float(expected)


@cached_njit
def enters(
    table: Ints, groups: Ints, survival: Floats3, gains: Floats, noted: Floats, queues: Ints,
    crowd: Floats, per_step: float, per_token: float, per_seq: float, slot: int, work: float,
    found_work: float, running_work: float, num_waiting: int, num_running: int, waits_at_once: bool,
) -> float:  # fmt: skip
    """`finds`, and where it waits at once `expect_slot` and `begins_to_wait`: what that returns.

    For an engine, which enters requests one by one: a call from Python costs more than what it
    does, and a NamedTuple as an argument twice as much as its parts.
    """
    rates = Rates(per_step, per_token, per_seq)
    books = Books(table, groups, survival, gains, noted, queues, crowd, rates)
    finds(books, slot, work, Found(found_work, running_work, num_waiting, num_running))
    expected = 0.0
    if waits_at_once:
        expect_slot(table, survival, groups, gains, slot)
        expected = begins_to_wait(books, slot)
    return expected


@cached_njit
def waits_with(
    table: Ints, groups: Ints, survival: Floats3, gains: Floats, noted: Floats, queues: Ints,
    crowd: Floats, per_step: float, per_token: float, per_seq: float, slot: int,
    num_prompt: int, num_output: int,
) -> float:  # fmt: skip
    """It waits, with so many tokens and holding no memory: its row, and `begins_to_wait`.

    For an engine, as `enters`.
    """
    hold_nothing(table, slot, num_prompt, num_output)
    expect_slot(table, survival, groups, gains, slot)
    rates = Rates(per_step, per_token, per_seq)
    books = Books(table, groups, survival, gains, noted, queues, crowd, rates)
    return float(begins_to_wait(books, slot))


@cached_njit
def wait_again(books: Books, slots: Ints) -> None:
    """These wait on, as they did before: nothing about them has changed."""
    queues, table = books.queues, books.table
    for i in range(slots.size):
        waits(queues, slots[i], table[slots[i], ARRIVAL_INDEX], queues[LEVEL, slots[i]])


@called_njit
def _expect(books: Books, slot: int, made: int, mean: float, square: float) -> float:
    held = own_prompt(books.table, slot) + made
    expected = np.floor(work_of(held, mean, square, held, books.rates))
    books.noted[slot, EXPECTED] = expected
    books.noted[slot, SERVICE] = mean * books.rates.per_step
    return float(expected)


@cached_njit
def is_known(books: Books, slot: int, num_tokens: int) -> None:
    """A request ended after so many tokens."""
    prompt, length = own_prompt(books.table, slot), float(num_tokens)
    total = work_of(prompt, length, length * length, prompt, books.rates)
    ends(books.noted, books.queues, slot, total)


@cached_njit
def is_recount_due(num_present: int, num_ended: int) -> bool:
    """Whether so many ends are enough to look at all again."""
    return num_present <= PRESENT_PER_END * num_ended


@cached_njit
def recount(books: Books) -> float:
    """Look at all who are present again; returns by how much the work of those who wait grew."""
    noted, queues, crowd, rates = books.noted, books.queues, books.crowd, books.rates
    grown, end = 0.0, len(noted) - 1
    # By class of priority: what has changed about those before.
    changes = np.zeros(noted.shape[1] - CHANGE)
    noted[end, CHANGE:] = 0.0
    slot = queues[NEXT, end]
    while slot < end:
        made, prompt = books.table[slot, NUM_OUTPUT], own_prompt(books.table, slot)
        mean, square = moments(books, slot, made)
        length, length_square = made + mean, made * made + 2 * made * mean + square
        total = work_of(prompt, length, length_square, prompt, rates)
        for level in range(changes.size):
            changes[level] += noted[slot, CHANGE + level]
            noted[slot, CHANGE + level] = 0.0
        own_level = queues[LEVEL, slot]
        for level in range(own_level + 1):
            noted[slot, FOUND] += changes[level]
        changes[own_level] += total - noted[slot, TOTAL]
        noted[slot, TOTAL], noted[slot, RUN_TIME] = total, length * rates.per_step
        if noted[slot, ARRIVAL_NUMBER] == crowd[own_level, NUMBER]:
            crowd[own_level, NEWEST_FOUND] = noted[slot, FOUND]
        if queues[FATE, slot] == WAITING:
            before = noted[slot, EXPECTED]
            grown += _expect(books, slot, made, mean, square) - before
        slot = queues[NEXT, slot]
    if queues[PREVIOUS, end] < end:
        _note_typical(books, books.table[queues[PREVIOUS, end], MAX_TOKENS])
    return grown
