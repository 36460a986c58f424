"""Will the KV cache hold? The memory forecast behind admission, counted in blocks.

Every running request is forecast to run r more steps, growing by one token a step and freeing
everything at the end; the projected use peaks right before some request ends, so only those steps
are looked at (Chen, Ye, Zhou, arXiv 2508.14544; Jaillet et al., arXiv 2502.07115).
Cost: O(R log R + R * min(R, block_size)) for R running requests, whatever the queue's length.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def peak_usage(held: Ints, remaining: Ints, fixed: Ints, block_size: int, scale: int) -> int:
    """The largest number of blocks in use at any future step, if every forecast comes true.

    held       tokens in memory at the end of the coming step (k = 1), one entry per request
    remaining  forecast steps, >= 1; at step k a request holds ``held + k - 1`` tokens, k <= remaining
    fixed      blocks that do not grow, per request, on top (negative: shared, counted elsewhere)
    scale      KV cache groups that grow; each takes ceil(tokens / block_size) blocks
    """
    order = np.argsort(-remaining)
    # Tokens held before the step, held - 1 = quotient * block_size + residue. At step
    # k = p * block_size + rest it fills quotient + p + {0, 1, 2} blocks, by residue + rest.
    by_residue = np.zeros(block_size, np.int64)
    quotients = 0
    extra = 0
    peak = 0
    for i in range(order.size):
        j = order[i]
        quotients += (held[j] - 1) // block_size
        by_residue[(held[j] - 1) % block_size] += 1
        extra += fixed[j]
        k = remaining[j]
        if i + 1 < order.size and remaining[order[i + 1]] == k:
            continue
        n = i + 1
        rest = k % block_size
        blocks = quotients + n * (k // block_size) + n
        if rest == 0:
            blocks -= by_residue[0]
        for residue in range(block_size - rest + 1, block_size):
            blocks += by_residue[residue]
        peak = max(peak, blocks * scale + extra)
    return peak


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def num_blocks(tokens: Ints, block_size: int) -> Ints:
    """Blocks that hold so many tokens, elementwise."""
    return (tokens + block_size - 1) // block_size  # type: ignore[no-any-return]
