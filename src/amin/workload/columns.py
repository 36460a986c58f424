"""Tables of requests, told apart by their header: which column holds what.

Names are compared without regard to capitals. Without times of arrival all requests arrive at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from amin.errors import ConfigError
from amin.workload.reading import AS_IT_SAYS, NAMES, Reading

ARRIVAL, PROMPT, OUTPUT = NAMES[:3]
OPTIONAL_NUMBERS = ("max_tokens", "lower", "upper", "priority")
OPTIONAL_TEXTS = ("request_id", "predicted_class", "client")


@dataclass(frozen=True)
class Columns:
    """A kind of table, and of `NAMES` what this table calls those that it has."""

    source: str
    of: MappingProxyType[str, str]

    def known(self, names: Sequence[str]) -> list[str]:
        """Those of `names` that the table has."""
        return [name for name in names if name in self.of]

    @property
    def is_amins(self) -> bool:
        """Whether times count from 0, and not from the first request."""
        return self.source == AMIN


AMIN = "amin"

_KINDS: tuple[tuple[str, tuple[str, str], tuple[str, ...]], ...] = (
    # What it is, tokens of the prompt and of the reply, times of arrival by any of these names.
    (AMIN, (PROMPT, OUTPUT), (ARRIVAL,)),
    # github.com/Azure/AzurePublicDataset, AzureLLMInferenceTrace 2023 and 2024
    ("Azure", ("ContextTokens", "GeneratedTokens"), ("TIMESTAMP",)),
    # github.com/HPMLL/BurstGPT
    ("BurstGPT", ("Request tokens", "Response tokens"), ("Timestamp",)),
    # github.com/alibaba/ServeGen
    ("ServeGen", ("input_tokens", "output_tokens"), ("arrival_s", "timestamp", "arrived_at")),
    # github.com/microsoft/vidur and etalon; without times where only lengths are published
    ("Vidur", ("num_prefill_tokens", "num_decode_tokens"), ("arrived_at", ARRIVAL)),
    ("BLIS", ("prefill_tokens", "decode_tokens"), ("arrived_at", ARRIVAL)),
    ("LiteLLM spend logs", ("prompt_tokens", "completion_tokens"), ("startTime",)),
    ("Mooncake", ("input_length", "output_length"), ("timestamp",)),
)

_HINTS = {
    OUTPUT: ("output", "completion", "generated", "response", "decode", "reply", "out"),
    PROMPT: ("prompt", "input", "context", "prefill", "request_tokens", "in"),
    ARRIVAL: ("arriv", "timestamp", "time", "start", "date", "ts", "created"),
}
"""Parts of names by which a column is guessed, to make a proposal of."""


def columns_of(header: Sequence[str], where: str, reading: Reading = AS_IT_SAYS) -> Columns:
    """The kind of table that has this header; raises `ConfigError` where a column is missing."""
    there = {name.strip().lower(): name for name in reversed(header)}
    said = {}
    for name, theirs in reading.columns:
        if theirs.lower() not in there:
            raise ConfigError(f"{where}: columns: got {theirs!r}, allowed: {', '.join(header)}")
        said[name] = there[theirs.lower()]
    optional = {name: there[name] for name in (*OPTIONAL_NUMBERS, *OPTIONAL_TEXTS) if name in there}
    for source, counts, arrivals in _KINDS:
        found = dict(zip((PROMPT, OUTPUT), counts, strict=True))
        found = {
            name: there[theirs.lower()] for name, theirs in found.items() if theirs.lower() in there
        }
        times = [there[name.lower()] for name in arrivals if name.lower() in there]
        of = optional | found | ({ARRIVAL: times[0]} if times else {}) | said
        if PROMPT in of and OUTPUT in of and (found or said):
            return Columns(source if found else "a table", MappingProxyType(of))
    raise ConfigError(_missing(header, where, said))


def _missing(header: Sequence[str], where: str, said: dict[str, str]) -> str:
    there = {name.lower() for name in header}
    names = [name for name in (PROMPT, OUTPUT) if name not in said and name not in there]
    kinds = "; ".join(f"{source}: {', '.join(counts)}" for source, counts, _ in _KINDS)
    guessed = _guess(header)
    text = ",".join(f"{name}={theirs}" for name, theirs in guessed.items())
    nearest = f". Did you mean --columns '{text}'?" if {PROMPT, OUTPUT} <= guessed.keys() else ""
    return (
        f"{where}: row 1: no column {', '.join(names)} among {', '.join(header) or 'none'}; "
        f"allowed: those of {kinds}; or any, by --columns num_prompt_tokens=COLUMN,"
        f"num_output_tokens=COLUMN,arrival_time=COLUMN,unit=ms{nearest}"
    )


def _guess(header: Sequence[str]) -> dict[str, str]:
    guessed: dict[str, str] = {}
    for wanted in (OUTPUT, PROMPT, ARRIVAL):
        for part in _HINTS[wanted]:
            fitting = [h for h in header if part in h.lower() and h not in guessed.values()]
            if fitting:
                guessed[wanted] = fitting[0]
                break
    return {name: guessed[name] for name in NAMES if name in guessed}
