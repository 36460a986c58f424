"""Who is compared: stock vLLM, also with the headroom that it offers, and policies of amin.

Every contender is told the same: the table of reply lengths by kind of prompt. Stock FCFS has no
use for it; stock priority gets the kinds ranked by the very bounds that amin's policies are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from amin.engine.stock import STOCK
from amin.errors import UnknownNameError
from amin.policy.catalog import POLICIES, get_policy

WATERMARK = 0.05
"""The best of those tried for stock priority (README, "What it brings")."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A row of the comparison: `scheduler` is a stock name or a policy of amin's."""

    name: str
    scheduler: str
    summary: str
    watermark: float = 0.0


_FCFS = "vLLM's default: first come, first served; the last admitted is preempted"
_PRIORITY = "vLLM's own priority scheduling, shortest kind of reply first"
_HEADROOM = f", with {WATERMARK:.0%} of the memory kept free at admission (--watermark {WATERMARK})"

CONTENDERS = (
    Contender("vllm-fcfs", "vllm-fcfs", _FCFS),
    Contender("vllm-fcfs-watermark", "vllm-fcfs", _FCFS + _HEADROOM, WATERMARK),
    Contender("vllm-priority", "vllm-priority", _PRIORITY),
    Contender("vllm-priority-watermark", "vllm-priority", _PRIORITY + _HEADROOM, WATERMARK),
    *(
        Contender(name, name, POLICIES[name].summary)
        for name in ("amax", "amin-static", "amin-dynamic")
    ),
)
BASELINE = CONTENDERS[0]


def contenders(names: Iterable[str] = ()) -> Sequence[Contender]:
    """The contenders of these names, all of the demo where there are none; the baseline first.

    A name may also be any policy of the catalog or ``module:ATTRIBUTE``. Raises `UnknownNameError`
    for any other.
    """
    by_name = {contender.name: contender for contender in CONTENDERS}
    chosen = []
    for name in names:
        if name not in by_name and name not in POLICIES and ":" not in name:
            raise UnknownNameError("schedulers", name, {*by_name, *POLICIES, *STOCK})
        chosen.append(by_name.get(name) or Contender(name, name, get_policy(name).summary))
    rest = [contender for contender in chosen or CONTENDERS if contender != BASELINE]
    return [BASELINE, *rest]
