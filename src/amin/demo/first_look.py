"""The first table of the demo, in seconds: the simulator, which decides as vLLM does."""

from __future__ import annotations

from collections.abc import Sequence

from amin.demo.contenders import Contender
from amin.experiment import example
from amin.experiment.comparison import Comparison, compare
from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic
from amin.report.terminal import Track

WHAT = (
    f"LMSYS-like requests, Poisson at {example.LOAD:g} x capacity, predicted by a real "
    f"classifier's five classes; {example.NUM_SEEDS} seeds, simulated clock. "
    "The first row in seconds, tokens and counts, the others as ratios to it (smallest-largest)"
)


def first_look(chosen: Sequence[Contender], track: Track) -> Comparison:
    """Every contender on the example of ``amin compare``: the same requests, told the same."""
    names = [
        f"{one.scheduler}@{one.watermark:g}" if one.watermark else one.scheduler for one in chosen
    ]
    return compare(
        names,
        Traffic(example.WORKLOAD, load=example.LOAD),
        Setting(example.KV_TOKENS),
        range(1, example.NUM_SEEDS + 1),
        track=track,
    )
