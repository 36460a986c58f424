"""Lower bounds on the total latency of any schedule, for any instance.

In the unit-time model (arXiv 2508.14544): memory of M tokens, a request that has made a of its o
tokens holds s + a, every active request makes one a step.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Ints


def volumes(prompt: Ints, output: Ints) -> Ints:
    """Memory x time that each request needs: the sum over its steps of its tokens in memory."""
    return prompt * output + output * (output + 1) // 2


def length_bound(output: Ints) -> int:
    """Nobody is served in fewer steps than it has tokens."""
    return int(output.sum())


def volume_bound(prompt: Ints, output: Ints, memory: int) -> float:
    """(1/M) x the sum of prefix sums of ascending volumes, for requests that arrive together.

    M tokens x t steps hold no more volume than that, so the j-th request to end does not end before
    the j smallest volumes fit (arXiv 2606.22327). With later arrivals it is no bound.
    """
    return float(np.cumsum(np.sort(volumes(prompt, output))).sum() / memory)


def total_latency_bound(prompt: Ints, output: Ints, memory: int) -> float:
    """The larger of the two, for requests that arrive together."""
    return max(float(length_bound(output)), volume_bound(prompt, output, memory))
