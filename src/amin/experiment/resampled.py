"""The same traffic as it might have come on another day: how sure is what one file says?

A block bootstrap: the file is cut into pieces of neighbouring requests, so many of them are drawn
with replacement, and put one after the other. What belongs together within a piece, bursts, a
client's requests, prompts that begin alike, stays together; which busy and quiet times there are is
drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from amin.arrays import Floats, Ints
from amin.workload.hashed_prompt import HashedPrompt
from amin.workload.trace import Texts, Trace, as_objects

_FAR_AWAY = -(2**61)
"""No file has tokens or hashes down there."""

NUM_BLOCKS = 20
"""Pieces of a file: long next to a burst, and enough of them that some are left out each time."""


def resampled(trace: Trace, seed: int) -> Trace:
    """About as many requests as the trace has, of pieces of it.

    A piece that is drawn again has prompts of its own, but for prefixes that are known from other
    pieces too. Requests that follow each other cannot be drawn apart: such a trace is returned as
    it is, as is one of fewer than two requests for each piece.
    """
    if len(trace) < 2 * NUM_BLOCKS or len(trace.follows):
        return trace
    bounds = np.linspace(0, len(trace), NUM_BLOCKS + 1).astype(np.int64)
    drawn = np.random.default_rng([seed, 7]).integers(0, NUM_BLOCKS, NUM_BLOCKS).tolist()
    rows = np.concatenate([np.arange(bounds[piece], bounds[piece + 1]) for piece in drawn])
    copies = np.concatenate(
        [
            np.full(bounds[piece + 1] - bounds[piece], drawn[:i].count(piece))
            for i, piece in enumerate(drawn)
        ]
    )
    return replace(
        trace[rows],
        arrival_time=_arrivals(trace, rows),
        prompt_token_ids=_apart(trace.prompt_token_ids, rows, copies, bounds),
        request_id=np.empty(0, np.object_),
    )


def _arrivals(trace: Trace, rows: Ints) -> Floats:
    """Gaps as they are within the pieces; before a piece the gap that was before it in the file."""
    gaps = np.diff(trace.arrival_time, prepend=trace.arrival_time[0])
    # The very first request has none before it.
    gaps[0] = gaps[1:].mean()
    chosen = gaps[rows]
    chosen[0] = 0.0
    return np.cumsum(chosen)


def _apart(prompts: Texts, rows: Ints, copies: Ints, bounds: Ints) -> Texts:
    """The prompts of these rows; in a copy of a piece, what no other piece has is new."""
    if not len(prompts) or not copies.any():
        return prompts[rows] if len(prompts) else prompts
    pieces: dict[int, set[int]] = {}
    of_row = np.searchsorted(bounds, np.arange(len(prompts)), side="right")
    for piece, prompt in zip(of_row.tolist(), prompts, strict=True):
        for token in _units(prompt):
            pieces.setdefault(token, set()).add(piece)
    is_shared = {token for token, found_in in pieces.items() if len(found_in) > 1}
    new = _Anew(is_shared)
    chosen = [
        prompts[row] if not copy else new.of(prompts[row], copy)
        for row, copy in zip(rows.tolist(), copies.tolist(), strict=True)
    ]
    return as_objects(chosen)


def _units(prompt: Sequence[int]) -> Sequence[int]:
    return prompt.hashes if isinstance(prompt, HashedPrompt) else prompt


class _Anew:
    """Other numbers for the tokens of a piece's copies, the same within one copy."""

    def __init__(self, is_shared: set[int]) -> None:
        self._is_shared = is_shared
        self._new: dict[tuple[int, int], int] = {}

    def of(self, prompt: Sequence[int], copy: int) -> Sequence[int]:
        """The prompt with what is its own replaced."""
        tokens = tuple(
            token if token in self._is_shared else self._number(token, copy)
            for token in _units(prompt)
        )
        return replace(prompt, hashes=tokens) if isinstance(prompt, HashedPrompt) else tokens

    def _number(self, token: int, copy: int) -> int:
        return self._new.setdefault((token, copy), _FAR_AWAY - len(self._new))
