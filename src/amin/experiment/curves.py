"""What is drawn of a claim: its figure over what decides it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from amin.experiment.claim import YARDSTICK, Claim, Measured
from amin.experiment.verdict import worst_by_alpha
from amin.report.curve_figure import Curves

_ALPHA = "1/alpha = u/l"
_RATIO = f"mean latency ÷ {YARDSTICK}"


def curves_of(claim: Claim, measured: Sequence[Measured]) -> Curves:
    """Growth and bounds over 1/alpha, the time of a step over M, others over what fits at once."""
    if any(check.grows for check in claim.checks):
        return _growth(claim, measured)
    if any(check.cost for check in claim.checks):
        return _cost(claim, measured)
    if any(check.bound for check in claim.checks):
        return _bounds(claim, measured)
    names = [name for name in claim.policies if name != YARDSTICK]
    points = {name: [(m.work_over_memory, m.ratio(name)) for m in measured] for name in names}
    return Curves("n·E[s+o]/M: how much more work there is than memory", _RATIO, points)


def _growth(claim: Claim, measured: Sequence[Measured]) -> Curves:
    worst = {c.policy: worst_by_alpha(c.policy, measured, c.to) for c in claim.checks}
    points = {name: list(by_alpha.items()) for name, by_alpha in worst.items()}
    return Curves(_ALPHA, f"worst {_RATIO}", points, joined=True)


def _cost(claim: Claim, measured: Sequence[Measured]) -> Curves:
    points: dict[str, list[tuple[float, float]]] = {}
    for m, check in itertools.product(measured, claim.checks):
        label = f"{check.policy}, {m.requests['num_requests']:,} requests"
        microseconds = float(np.median(m.seconds_per_step[check.policy])) * 1e6
        points.setdefault(label, []).append((m.requests["kv_tokens"], microseconds))
    return Curves("M, tokens of KV memory", "us a step", points, joined=True)


def _bounds(claim: Claim, measured: Sequence[Measured]) -> Curves:
    points: dict[str, list[tuple[float, float]]] = {}
    for check in claim.checks:
        points[check.policy] = [
            (m.inverse_alpha, m.ratio(check.policy, check.to)) for m in measured
        ]
        limits = {m.inverse_alpha: check.limits(m) for m in measured}
        points["the bound"] = [(x, least or most) for x, (least, most) in limits.items()]
    return Curves(_ALPHA, _RATIO, points)
