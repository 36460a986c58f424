"""Which runs may be set against a baseline at all."""

from __future__ import annotations

from amin.metrics.status import num_finished
from amin.record import RunResult


def is_comparable(result: RunResult, baseline: RunResult) -> bool:
    """Whether a ratio of the two says something: same requests, and no fewer of them finished.

    A run that finishes less makes those that it does finish look fast.
    """
    return is_same_workload(result, baseline) and is_as_complete(result, baseline)


def is_same_workload(result: RunResult, baseline: RunResult) -> bool:
    """Whether both ran the same requests, as far as their prompts' lengths tell.

    Ids and arrival times do not: a real server gives them anew in each run.
    """
    return _prompt_lengths(result) == _prompt_lengths(baseline)


def is_as_complete(result: RunResult, baseline: RunResult) -> bool:
    """Whether `result` finished at least as many requests."""
    return num_finished(result.records) >= num_finished(baseline.records)


def _prompt_lengths(result: RunResult) -> list[int]:
    return sorted(record.num_prompt_tokens for record in result.records)
