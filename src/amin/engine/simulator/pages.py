"""Which pages of a trace hold the same tokens after the same tokens, as block hashes would say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amin.arrays import Ints
from amin.workload.hashed_prompt import HashedPrompt
from amin.workload.trace import Texts


def number_pages(
    prompts: Texts, replies: Texts, lengths: Ints, page_size: int
) -> tuple[Ints, Ints]:
    """(first page of each request, of each page the first one with the same tokens).

    `lengths` in tokens, reply included; `prompts` and `replies` are sequences of tokens, empty
    where unknown, and none at all where none is known: what is unknown is unlike anything else.
    """
    ends = np.cumsum(-(-lengths // page_size))
    starts = ends - -(-lengths // page_size)
    same_as = np.arange(ends[-1] if len(ends) else 0)
    known: dict[tuple[int, int, int], int] = {}
    pages, prefixes, offsets = [], [], []
    for i, (start, prompt) in enumerate(zip(starts.tolist(), prompts, strict=False)):
        if prompt:
            tokens = _joined(prompt, replies[i]) if len(replies) else prompt
            prefix, offset = _ends(tokens, page_size, known)
            prefix, offset = prefix[: lengths[i] // page_size], offset[: lengths[i] // page_size]
            prefixes.append(prefix)
            offsets.append(offset)
            pages.append(np.arange(start, start + len(prefix)))
    if pages:
        page, offset = np.concatenate(pages), np.concatenate(offsets)
        key = np.concatenate(prefixes) * (offset.max(initial=0) + 1) + offset
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        same_as[page] = page[first][group]
    return starts, same_as


def _joined(prompt: Sequence[int], reply: Sequence[int]) -> Sequence[int]:
    """A prompt and its reply."""
    joined = prompt.before(reply) if isinstance(prompt, HashedPrompt) else None
    return (*prompt, *reply) if joined is None else joined


def _ends(
    prompt: Sequence[int], page_size: int, known: dict[tuple[int, int, int], int]
) -> tuple[Ints, Ints]:
    """Where each full page of the prompt ends: (number of the prefix of whole units, offset in it).

    Two pages that end alike hold the same tokens after the same tokens. `known` numbers the
    prefixes by (number of all but the last unit, size and hash of the last unit).
    """
    if not isinstance(prompt, HashedPrompt):
        prompt = HashedPrompt(tuple(prompt), 1, len(prompt))
    numbers, before = np.empty(len(prompt.hashes), np.int64), -1
    for i, unit in enumerate(prompt.hashes):
        before = known.setdefault((before, prompt.block_size, unit), len(known))
        numbers[i] = before
    last_tokens = np.arange(1, len(prompt) // page_size + 1) * page_size - 1
    units, offsets = np.divmod(last_tokens, prompt.block_size)
    return numbers[units], offsets
