"""All numbers of one run at once."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from amin.metrics import coverage, latency, status, streaming, throughput, waste
from amin.metrics.columns import Columns, Records
from amin.record import RunResult


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in numbers: times in seconds, coverages in 0..1, NaN where nothing defines one.

    Each field is the function of the same name in `amin.metrics`, applied to all records.
    """

    num_finished: int
    num_rejected: int
    num_aborted: int
    mean_e2e_latency: float
    p50_e2e_latency: float
    p99_e2e_latency: float
    max_e2e_latency: float
    mean_ttft: float
    p99_ttft: float
    mean_tpot: float
    p99_tpot: float
    p99_longest_gap: float
    share_paused: float
    max_pause: float
    mean_total_pause: float
    goodput: float
    goodput_e2e: float
    mean_queue_time: float
    output_tokens_per_second: float
    makespan: float
    num_preemptions: int
    num_lost_tokens: int
    num_recomputed_tokens: int
    bound_coverage: float
    interval_coverage: float

    def as_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON."""
        return for_json(asdict(self))


def for_json(numbers: dict[str, Any]) -> dict[str, Any]:
    """The same, at any depth, for JSON, which knows neither NaN nor infinity: they become None."""

    def written(value: Any) -> Any:
        if isinstance(value, dict):
            return for_json(value)
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {name: written(value) for name, value in numbers.items()}


def summarize(result: RunResult) -> Summary:
    """The numbers of one run. A run without requests has zero counts and NaN for the rest."""
    return summary_of(result.records)


def summary_of(records: Records) -> Summary:
    """The numbers of any records, a million of them in a second if they are `Columns`."""
    records = Columns.of(records)
    return Summary(
        num_finished=status.num_finished(records),
        num_rejected=status.num_rejected(records),
        num_aborted=status.num_aborted(records),
        mean_e2e_latency=latency.mean_e2e_latency(records),
        p50_e2e_latency=latency.p50_e2e_latency(records),
        p99_e2e_latency=latency.p99_e2e_latency(records),
        max_e2e_latency=latency.max_e2e_latency(records),
        mean_ttft=latency.mean_ttft(records),
        p99_ttft=latency.p99_ttft(records),
        mean_tpot=latency.mean_tpot(records),
        p99_tpot=latency.p99_tpot(records),
        p99_longest_gap=streaming.p99_longest_gap(records),
        share_paused=streaming.share_paused(records),
        max_pause=streaming.max_pause(records),
        mean_total_pause=streaming.mean_total_pause(records),
        goodput=streaming.goodput(records),
        goodput_e2e=streaming.goodput_e2e(records),
        mean_queue_time=latency.mean_queue_time(records),
        output_tokens_per_second=throughput.output_tokens_per_second(records),
        makespan=throughput.makespan(records),
        num_preemptions=waste.num_preemptions(records),
        num_lost_tokens=waste.num_lost_tokens(records),
        num_recomputed_tokens=waste.num_recomputed_tokens(records),
        bound_coverage=coverage.bound_coverage(records),
        interval_coverage=coverage.interval_coverage(records),
    )
