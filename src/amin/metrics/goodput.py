"""Requests per second that were served as promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from amin.errors import ConfigError
from amin.metrics.status import finished
from amin.metrics.throughput import per_second
from amin.record import RequestRecord


@dataclass(frozen=True, slots=True)
class SLO:
    """What was promised: a first token within `ttft` seconds, then one every `tpot` seconds.

    Raises `ConfigError` unless both are above zero; `math.inf` promises nothing.
    """

    ttft: float
    tpot: float

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigError(f"{name}: got {value!r}, allowed: seconds > 0")

    def is_met_by(self, record: RequestRecord) -> bool:
        """Whether a finished request kept both; a single token has no TPOT to miss."""
        return record.ttft <= self.ttft and not record.tpot > self.tpot


def goodput(records: Sequence[RequestRecord], slo: SLO) -> float:
    """Finished requests per second of makespan that met `slo`; NaN if none finished."""
    return per_second(sum(slo.is_met_by(record) for record in finished(records)), records)
