"""The files that a trace may be, told apart by their header: which column holds what.

A column that a format does not have is None; without arrival times all requests arrive at 0.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from amin.errors import ConfigError


@dataclass(frozen=True)
class Columns:
    """Names of the columns of one kind of CSV file.

    `dated` says that arrivals are dates and not seconds. The optional columns are those of amin's
    own format, in every kind.
    """

    source: str
    num_prompt_tokens: str
    num_output_tokens: str
    arrival_time: str | None = None
    dated: bool = False

    @property
    def needed(self) -> list[str]:
        """The columns without which a file is not of this kind."""
        names = [self.arrival_time, self.num_prompt_tokens, self.num_output_tokens]
        return [name for name in names if name]


AMIN = Columns("amin", "num_prompt_tokens", "num_output_tokens", "arrival_time")

KNOWN = (
    AMIN,
    # github.com/Azure/AzurePublicDataset, AzureLLMInferenceTrace 2023
    Columns("Azure", "ContextTokens", "GeneratedTokens", "TIMESTAMP", dated=True),
    # github.com/HPMLL/BurstGPT
    Columns("BurstGPT", "Request tokens", "Response tokens", "Timestamp"),
    # github.com/alibaba/ServeGen
    Columns("ServeGen", "input_tokens", "output_tokens", "arrival_s"),
    # Lengths of ShareGPT and others, as Vidur and etalon publish them; no arrival times.
    Columns("lengths", "num_prefill_tokens", "num_decode_tokens"),
)

OPTIONAL_NUMBERS = ("max_tokens", "lower", "upper", "priority")
OPTIONAL_TEXTS = ("request_id", "predicted_class", "client")


def columns_of(header: Collection[str], where: str) -> Columns:
    """The kind of file that has this header; raises `ConfigError` where a column is missing."""
    for columns in KNOWN:
        if set(columns.needed) <= set(header):
            return columns
    missing = [name for name in AMIN.needed if name not in header]
    kinds = "; ".join(f"{columns.source}: {', '.join(columns.needed)}" for columns in KNOWN[1:])
    raise ConfigError(
        f"{where}: row 1: no column {', '.join(missing)}; allowed: {', '.join(AMIN.needed)}, "
        f"or those of {kinds}"
    )
