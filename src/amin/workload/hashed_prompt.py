"""The tokens of a prompt of which only the hashes of its blocks are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from amin.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HashedPrompt(Sequence[int]):
    """A prompt of `length` tokens, each of which is the hash of the block that it is in.

    `hashes` has one for every `block_size` tokens, the last block maybe in part. Two prompts then
    have the same tokens for as long as they have the same hashes, which is all that a prefix cache
    asks of them.
    """

    hashes: tuple[int, ...]
    block_size: int
    length: int

    def __post_init__(self) -> None:
        expected = -(-self.length // self.block_size)
        if len(self.hashes) != expected:
            raise ConfigError(
                f"hashes: got {len(self.hashes)}, allowed: {expected}, one for every "
                f"{self.block_size} of {self.length} tokens"
            )

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        chosen = range(self.length)[index]
        if isinstance(chosen, range):
            return [self.hashes[i // self.block_size] for i in chosen]
        return self.hashes[chosen // self.block_size]
