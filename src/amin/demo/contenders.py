"""Who is compared: stock vLLM, also with the headroom that it offers, and policies of amin.

Every contender is told the same: the table of reply lengths by kind of prompt. Stock FCFS has no
use for it; stock priority gets the kinds ranked by the very bounds that amin's policies are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from amin.engine.settings import READING_PACE, TAIL_PROMISE, Label
from amin.engine.stock import STOCK
from amin.engine.vllm.config import AminConfig
from amin.errors import UnknownNameError
from amin.policy.catalog import POLICIES, get_policy

DEFAULT = f"{AminConfig.policy}+{TAIL_PROMISE:g}~{READING_PACE:g}"

WATERMARK = 0.05
"""The best of those tried for stock priority (README, "What it brings")."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A row of the comparison: `scheduler` is a stock name or a policy of amin's.

    ``policy+1~10`` is a policy with a tail promise and a stream promise.
    """

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
    Contender("vllm-priority-watermark", "vllm-priority", _PRIORITY + _HEADROOM, WATERMARK),
    Contender("amax", "amax", POLICIES["amax"].summary),
    Contender("amin-dynamic", "amin-dynamic", POLICIES["amin-dynamic"].summary),
    Contender(
        DEFAULT,
        DEFAULT,
        f"the default of amin serve: {POLICIES[AminConfig.policy].summary}; nobody takes longer "
        f"than {TAIL_PROMISE:g} x what the worst-off would have taken under FCFS, and no reply "
        f"that has begun is slower than {READING_PACE:g} tokens a second",
    ),
)
BASELINE = CONTENDERS[0]


def contenders(names: Iterable[str] = ()) -> Sequence[Contender]:
    """The contenders of these names, all of the demo where there are none; the baseline first.

    A name may also be any policy of the catalog or ``module:ATTRIBUTE``, each also with
    promises (``amin-dynamic+1~10``). Raises `UnknownNameError`
    for any other.
    """
    by_name = {contender.name: contender for contender in CONTENDERS}
    chosen = []
    for name in names:
        label = Label.of(name)
        policy = label.policy
        if name not in by_name and policy not in POLICIES and ":" not in policy:
            raise UnknownNameError("schedulers", name, {*by_name, *POLICIES, *STOCK})
        _ = label.promises  # raises where one is none
        chosen.append(by_name.get(name) or Contender(name, name, get_policy(policy).summary))
    rest = [contender for contender in chosen or CONTENDERS if contender != BASELINE]
    return [BASELINE, *rest]
