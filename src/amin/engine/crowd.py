"""Those who are present, as each new request has found them: who sends the requests?

Under first come, first served the newest waits for all of them, so what is promised to those who
wait (`amin.engine.promise`) depends on how their number changes:

- It grows, where more come than end.
- It goes up and down by chance, on a server that is just busy.
- It stays as it is, where each end brings the next arrival: users, or a benchmark's workers, who
  send a request when they have the reply to the last one (a closed loop).

With short replies first, those who are left are long. So where the number does not grow, the *work*
that a newcomer finds says nothing of what it would have found under first come, first served; the
number does, and in a closed loop exactly.

Compiled, over one array with a row for each class of priority. The last row has what is typical of
arrivals: prompt tokens that are to be computed, and the work of a request.
"""

from __future__ import annotations

import numpy as np

from amin.arrays import Floats
from amin.jit import called_njit

# Of each class: the work and the number of requests that the latest one to arrive has found, and
# its own number, from 1 on; how much the number found varies; and what the last `LAG` have found.
NEWEST_FOUND, NUM_PRESENT, NUMBER, VARIABILITY, LATEST = range(5)
TYPICAL_PROMPT, TYPICAL_WORK = range(2)

LAG = 8
"""The number found is compared with that of so many arrivals before."""

MEMORY = 0.05
"""What an arrival adds to the variability."""

HARDLY = 0.6
"""The mean square of the change over `LAG` arrivals, ÷ `LAG`, is 2 and more where arrivals know
nothing of ends (below 1 in less than a tenth of all moments), .03 and less in a closed loop."""

BY_CHANCE = 1.5
"""Of n arrivals, the number of requests present grows by up to so many times the root of n though
no more come than end: the deviation of a random walk is 1."""


def new_crowd(num_levels: int) -> Floats:
    """Nobody yet, of so many classes of priority."""
    return np.zeros((num_levels + 1, LATEST + LAG))


@called_njit
def joins_crowd(crowd: Floats, level: int, found_work: float, num_present: int) -> float:
    """A request arrives that finds so much work and so many; returns its number."""
    number = crowd[level, NUMBER] + 1
    crowd[level, NEWEST_FOUND], crowd[level, NUM_PRESENT] = found_work, num_present
    crowd[level, NUMBER] = number
    place = LATEST + int(number) % LAG
    change = num_present - crowd[level, place]
    crowd[level, place] = num_present
    crowd[level, VARIABILITY] += MEMORY * (change * change / LAG - crowd[level, VARIABILITY])
    return float(number)


@called_njit
def is_closed(crowd: Floats, level: int) -> bool:
    """Whether each end brings the next arrival."""
    return bool(crowd[level, VARIABILITY] < HARDLY)


@called_njit
def grows(crowd: Floats, level: int, number: float, num_present: float) -> bool:
    """Whether more are present than the one of this number has found, beyond what chance allows."""
    num_since = crowd[level, NUMBER] - number + 1
    return bool(crowd[level, NUM_PRESENT] - num_present >= BY_CHANCE * np.sqrt(num_since))
