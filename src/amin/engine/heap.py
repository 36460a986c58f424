"""The waiting requests as a binary heap in three arrays: smallest (key, tie) first.

With a fourth, classes of priority: smallest (level, key, tie) first.

Compiled code has no heap of its own that lives across calls, and a simulation is run in slices.
"""

from __future__ import annotations

from amin.arrays import Ints
from amin.jit import called_njit

KEY, TIE, SLOT, LEVEL = range(4)


@called_njit
def _is_before(heap: Ints, a: int, b: int) -> bool:
    if heap.shape[0] > LEVEL and heap[LEVEL, a] != heap[LEVEL, b]:
        return bool(heap[LEVEL, a] < heap[LEVEL, b])
    before: bool = heap[KEY, a] < heap[KEY, b] or (
        heap[KEY, a] == heap[KEY, b] and heap[TIE, a] < heap[TIE, b]
    )
    return before


@called_njit
def _swap(heap: Ints, a: int, b: int) -> None:
    for row in range(heap.shape[0]):
        heap[row, a], heap[row, b] = heap[row, b], heap[row, a]


@called_njit
def push(heap: Ints, size: int, key: int, tie: int, slot: int, level: int = 0) -> None:
    """Enter `slot`; `size` is the number of entries before."""
    heap[KEY, size], heap[TIE, size], heap[SLOT, size] = key, tie, slot
    if heap.shape[0] > LEVEL:
        heap[LEVEL, size] = level
    while size > 0:
        parent = (size - 1) // 2
        if not _is_before(heap, size, parent):
            break
        _swap(heap, size, parent)
        size = parent


@called_njit
def pop(heap: Ints, size: int) -> int:
    """Remove and return the first slot; `size` is the number of entries before, >= 1."""
    slot: int = heap[SLOT, 0]
    size -= 1
    _swap(heap, 0, size)
    node = 0
    while True:
        child = 2 * node + 1
        if child >= size:
            return slot
        if child + 1 < size and _is_before(heap, child + 1, child):
            child += 1
        if not _is_before(heap, child, node):
            return slot
        _swap(heap, child, node)
        node = child


@called_njit
def remove(heap: Ints, size: int, slot: int) -> None:
    """Remove `slot`, wherever it is; `size` is the number of entries before."""
    node = _place_of(heap, slot)
    # Up to the top, past those that it does not precede, and out.
    while node > 0:
        parent = (node - 1) // 2
        _swap(heap, node, parent)
        node = parent
    pop(heap, size)


@called_njit
def move(heap: Ints, size: int, slot: int, level: int) -> None:
    """Give `slot`, wherever it is, another level; `size` is the number of entries."""
    node = _place_of(heap, slot)
    key, tie = heap[KEY, node], heap[TIE, node]
    remove(heap, size, slot)
    push(heap, size - 1, key, tie, slot, level)


@called_njit
def _place_of(heap: Ints, slot: int) -> int:
    node = 0
    while heap[SLOT, node] != slot:
        node += 1
    return node
