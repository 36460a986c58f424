"""What amin has done since the start, as plain counts: for metrics, and for whoever looks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """Counts that only grow.

    preempted              preemptions, mostly because the cache was full
    preempted_for_readers  those of them that made way for a reply whose reader was about to wait
    preempted_tokens       tokens whose KV was given up by them; what of it the prefix cache still
                           holds when they return need not be computed again
    gone_by_promise        requests that went next because a promise said so, and not the policy
    looked_on              in shadow: how often somebody waited when it was looked at
    would_differ           and how often of these amin would have had somebody else go next
    readers_paused         replies that ended whose reader once had to wait for more than a second
    """

    preempted: int = 0
    preempted_for_readers: int = 0
    preempted_tokens: int = 0
    gone_by_promise: int = 0
    readers_paused: int = 0
    looked_on: int = 0
    would_differ: int = 0
