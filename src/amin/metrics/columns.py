"""Records as columns: what metrics compute on, since a run may have a million of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from amin.record import RequestRecord

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Columns:
    """An array for each field of `RequestRecord` that metrics read, an entry per request."""

    arrival_time: Array
    first_scheduled_time: Array
    first_token_time: Array
    finish_time: Array
    num_output_tokens: Array
    num_preemptions: Array
    num_lost_tokens: Array
    num_recomputed_tokens: Array
    lower: Array
    upper: Array
    status: Array
    longest_gap: Array
    longest_pause: Array
    total_pause: Array
    longest_gap_start: Array

    @classmethod
    def of(cls, records: Records) -> Columns:
        """The columns of any records; `Columns` are returned as they are."""
        if isinstance(records, Columns):
            return records
        records = list(records)
        status = np.array([record.status for record in records], np.object_)
        names = [field.name for field in fields(cls) if field.name != "status"]
        numbers = {name: np.array([getattr(r, name) for r in records]) for name in names}
        return cls(**numbers, status=status)

    def __len__(self) -> int:
        return len(self.arrival_time)

    def where(self, chosen: Array) -> Columns:
        """Those of which `chosen` is true."""
        chosen = np.asarray(chosen, bool)
        return Columns(*(getattr(self, field.name)[chosen] for field in fields(self)))


Records: TypeAlias = Iterable[RequestRecord] | Columns
"""What every metric takes."""
