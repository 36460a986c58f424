"""The heap hands out entries in order, whatever was pushed in between."""

from __future__ import annotations

import heapq

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from amin.engine.heap import LEVEL, move, pop, push, remove


@given(st.lists(st.none() | st.tuples(st.integers(-3, 3), st.integers(0, 3)), max_size=60))
def test_pops_the_smallest_key_then_the_smallest_tie(steps: list[tuple[int, int] | None]) -> None:
    """As Python's own heap does; None pops."""
    heap = np.zeros((3, 61), np.int64)
    expected: list[tuple[int, int, int]] = []
    for slot, entry in enumerate(steps):
        if entry is not None:
            # A tie that is unique, as the contract has it.
            key, tie = entry[0], entry[1] * 100 + slot
            push(heap, len(expected), key, tie, slot)
            heapq.heappush(expected, (key, tie, slot))
        elif expected:
            size = len(expected)
            assert pop(heap, size) == heapq.heappop(expected)[2]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.data())
def test_removes_from_anywhere(keys: list[int], data: st.DataObject) -> None:
    """Whatever is removed, the rest comes out in order."""
    heap = np.zeros((3, len(keys)), np.int64)
    for slot, key in enumerate(keys):
        push(heap, slot, key, slot, slot)
    left = set(range(len(keys)))
    for slot in data.draw(st.lists(st.sampled_from(range(len(keys))), unique=True)):
        remove(heap, len(left), slot)
        left.remove(slot)
    out = [pop(heap, size) for size in range(len(left), 0, -1)]
    assert out == sorted(left, key=lambda slot: (keys[slot], slot))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=40))
def test_another_level_is_another_place(entries: list[tuple[int, int]]) -> None:
    """Whoever gets another level comes out where it would, had it had that from the start."""
    heap = np.zeros((LEVEL + 1, len(entries)), np.int64)
    for slot, (key, _) in enumerate(entries):
        push(heap, slot, key, slot, slot, 1)
    for slot, (_, level) in enumerate(entries):
        move(heap, len(entries), slot, level)
    out = [pop(heap, size) for size in range(len(entries), 0, -1)]
    assert out == sorted(range(len(entries)), key=lambda i: (entries[i][1], entries[i][0], i))
