"""What FCFS would have done for each request, counted again, against a count by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.engine.hindsight import (
    Books,
    expect_waiting,
    finds,
    is_known,
    is_recount_due,
    moments,
    recount,
    remaining_work,
)
from amin.engine.promise_books import (
    EXPECTED,
    FOUND,
    RUN_TIME,
    TOTAL,
    Found,
    Rates,
    forget,
    new_guard,
    waits,
    with_room,
)
from amin.engine.rows import MAX_TOKENS, NUM_OUTPUT, NUM_PROMPT
from amin.predictor.choice import new_gains
from amin.predictor.features import FEATURES
from amin.predictor.survival import FINISHED, new_survival, note, refresh
from amin.request import RequestView

RATES = Rates.of(1000, 8)


@dataclass
class ByHand:
    """The same books: for each present request, whom it found and what they were then."""

    num_slots: int = 2
    order: list[int] = field(default_factory=list)
    found: dict[int, tuple[float, float]] = field(default_factory=dict)
    now: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        noted, queues, crowd = new_guard(self.num_slots)
        columns = len(RequestView._fields)
        self.books = Books(
            np.zeros((64, columns), np.int64), np.zeros((64, len(FEATURES)), np.int64),
            new_survival(0), new_gains(len(FEATURES)), noted, queues, crowd, RATES,
        )  # fmt: skip
        self.books.table[:, MAX_TOKENS] = 5000

    def arrive(self, prompt: int) -> None:
        """A request with such a prompt, which waits."""
        slot = next(slot for slot in range(64) if slot not in self.order)
        while slot >= len(self.books.noted) - 1:
            noted, queues = with_room(self.books.noted, self.books.queues)
            self.books = self.books._replace(noted=noted, queues=queues)
        self.books.table[slot, [NUM_PROMPT, NUM_OUTPUT]] = prompt, 0
        finds(self.books, slot, 0.0, Found(0.0, 0.0, 0, 0))
        waits(self.books.queues, slot, len(self.now), 0)
        expect_waiting(self.books, slot)
        noted = self.books.noted[slot]
        self.found[slot] = noted[FOUND], self._sum()
        self.order.append(slot)
        self.now[slot] = noted[TOTAL]

    def end(self, index: int, num_tokens: int) -> None:
        """One of those present ends."""
        slot = self.order.pop(index)
        before = self.now.pop(slot)
        del self.found[slot]
        is_known(self.books, slot, num_tokens)
        forget(self.books.queues, slot)
        prompt = self.books.table[slot, NUM_PROMPT]
        # Those who came later had counted on `before`.
        total = num_tokens * (prompt + 8) + num_tokens**2 / 2
        total = max(total, num_tokens * RATES.per_seq) + RATES.per_token * (prompt + num_tokens)
        for other in self.order[index:]:
            found, then = self.found[other]
            self.found[other] = found + total - before, then - before

    def _sum(self) -> float:
        return sum(self.now.values())

    def check(self) -> None:
        """Count again, by both."""
        grown = recount(self.books)
        noted = self.books.noted
        for i, slot in enumerate(self.order):
            self.now[slot] = noted[slot, TOTAL]
            ahead = sum(self.now[other] for other in self.order[:i])
            found, then = self.found[slot]
            assert noted[slot, FOUND] == pytest.approx(found + ahead - then, abs=1e-6)
            self.found[slot] = noted[slot, FOUND], ahead
            mean, _ = moments(self.books, slot, 0)
            assert noted[slot, RUN_TIME] == pytest.approx(mean * RATES.per_step)
        assert grown == np.floor(grown)


acts = st.lists(
    st.tuples(st.sampled_from(["arrive", "arrive", "end", "learn", "check"]), st.integers(1, 900)),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(acts)
def test_everyone_waits_for_what_those_before_turned_out_to_be(
    acts: list[tuple[str, int]],
) -> None:
    """In random orders of arrivals, ends and new knowledge, also while the books grow."""
    books = ByHand()
    nobody = np.zeros((1, 0), np.int64)
    for act, number in acts:
        if act == "arrive" and len(books.order) < 60:
            books.arrive(number)
        elif act == "end" and books.order:
            books.end(number % len(books.order), number)
        elif act == "learn":
            note(books.books.survival, FINISHED, nobody, 0, number, 1.0)
            refresh(books.books.survival)
        elif act == "check":
            books.check()
    books.check()


def test_work_that_waits_grows_by_what_is_learned() -> None:
    """Replies turn out to be far longer than was believed: so is what is expected of each."""
    hand = ByHand()
    for prompt in (10, 20):
        hand.arrive(prompt)
    before = hand.books.noted[:2, EXPECTED].copy()
    for _ in range(50):
        note(hand.books.survival, FINISHED, np.zeros((1, 0), np.int64), 0, 3000, 1.0)
    refresh(hand.books.survival)
    grown = recount(hand.books)
    assert grown == (hand.books.noted[:2, EXPECTED] - before).sum() > 10 * before.sum()
    slots, made = np.array([0, 1]), np.zeros(2, np.int64)
    uncomputed = hand.books.table[:2, NUM_PROMPT].copy()
    work = remaining_work(hand.books, slots, made, uncomputed)
    assert work == pytest.approx(hand.books.noted[:2, EXPECTED].sum(), abs=2)


def test_many_are_counted_again_less_often() -> None:
    """A few at every chance; ten thousand after some hundred ends."""
    assert is_recount_due(100, 2)
    assert not is_recount_due(10_000, 100)
    assert is_recount_due(10_000, 157)
