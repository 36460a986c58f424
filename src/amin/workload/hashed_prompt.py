"""The tokens of a prompt or of a reply of which only the hashes of its blocks are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from amin.errors import ConfigError

UNIT = 16
"""Tokens of a generated prompt for which there is one hash: a block of vLLM's cache."""


@dataclass(frozen=True, slots=True)
class HashedPrompt(Sequence[int]):
    """A prompt of `length` tokens, each of which is the hash of the block that it is in.

    `hashes` has one for every `block_size` tokens, the last block maybe in part. Two prompts then
    have the same tokens for as long as they have the same hashes, which is all that a prefix cache
    asks of them. A reply begins `offset` tokens after the beginning of its first block, where its
    prompt ended.
    """

    hashes: tuple[int, ...]
    block_size: int
    length: int
    offset: int = 0

    def __post_init__(self) -> None:
        expected = -(-(self.offset + self.length) // self.block_size)
        if len(self.hashes) != expected:
            raise ConfigError(
                f"hashes: got {len(self.hashes)}, allowed: {expected}, one for every "
                f"{self.block_size} of {self.offset + self.length} tokens"
            )

    def before(self, reply: Sequence[int]) -> HashedPrompt | None:
        """This and its reply as one; None where they are not of the same blocks."""
        if not isinstance(reply, HashedPrompt) or reply.block_size != self.block_size:
            return None
        whole_blocks, offset = divmod(self.offset + self.length, self.block_size)
        begun = self.hashes[whole_blocks:]
        if offset != reply.offset or begun != reply.hashes[: len(begun)]:
            return None
        hashes = self.hashes[:whole_blocks] + reply.hashes
        return HashedPrompt(hashes, self.block_size, self.length + len(reply), self.offset)

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        chosen = range(self.length)[index]
        if isinstance(chosen, range):
            return [self.hashes[(self.offset + i) // self.block_size] for i in chosen]
        return self.hashes[(self.offset + chosen) // self.block_size]


def part_of(
    text: int, start: int, length: int, *, template: int = 0, num_shared: int = 0
) -> HashedPrompt:
    """So many tokens from `start` on of a text with this number, which no other text has.

    Its first `num_shared` tokens, whole units, are those of the template with that number.
    """
    first, offset = divmod(start, UNIT)
    blocks = range(first, -(-(start + length) // UNIT))
    hashes = tuple(template if block < num_shared // UNIT else text for block in blocks)
    return HashedPrompt(hashes, UNIT, length, offset)
