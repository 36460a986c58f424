"""What a run is called, and what its numbers are worth: measured or simulated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from amin.record import RunResult

_PROVENANCE = {
    "vllm": "measured: vLLM serving a real model",
    "vllm-dry": "simulated: vLLM's real scheduler on a simulated clock, no model",
    "simulator": "simulated: no vLLM, no model",
}
_MAX_LENGTH = 30


def labels(results: Sequence[RunResult]) -> list[str]:
    """One printable name per run: its policy, and its seed where a policy occurs twice."""
    names = [_printable(result.policy) for result in results]
    occurrences = Counter(names)
    return [
        name if occurrences[name] == 1 else f"{name}, seed {result.seed}"
        for name, result in zip(names, results, strict=True)
    ]


def provenance(engine: str) -> str:
    """Whether the numbers of `engine` are measured or simulated, in words."""
    return _PROVENANCE.get(engine, f"measured or simulated, unknown: engine {_printable(engine)}")


def provenances(results: Iterable[RunResult]) -> str:
    """The provenance of all runs, each named once, in order of appearance."""
    return "; ".join(dict.fromkeys(provenance(result.engine) for result in results))


def _printable(text: str) -> str:
    """Without control characters, which could move a terminal's cursor, and not too long."""
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return clean if len(clean) <= _MAX_LENGTH else f"{clean[: _MAX_LENGTH - 1]}…"
