"""Whether what was measured is what was claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amin.experiment.claim import Check, Claim, Measured

MOST_IN_REQUESTS = 0.2
"""A power so small is that of a logarithm, over the sizes that are run."""

HOLDS, ONLY_WHERE, FAILS = "holds", "holds only where", "not reproduced"


@dataclass(frozen=True)
class Verdict:
    """The word for it, and the figures that it rests on, in a sentence or two."""

    word: str
    figures: str


def judge(claim: Claim, measured: Sequence[Measured]) -> Verdict:
    """Holds: every check in every setting. Only where: in some settings. Else not reproduced."""
    local = [check for check in claim.checks if check.is_local]
    grown = [_growth(check, measured) for check in claim.checks if check.grows]
    grown += [_cost(check, measured) for check in claim.checks if check.cost]
    figures = [text for _, text in grown]
    passing = [m for m in measured if all(check.holds(m) for check in local)]
    figures += [_range(check, measured) for check in local]
    share = len(passing) / len(measured) if local else 1.0
    if share == 1.0 and all(ok for ok, _ in grown):
        word = HOLDS
    elif share == 0.0 or not all(ok for ok, _ in grown):
        word = FAILS
    else:
        word = ONLY_WHERE
        figures.insert(
            0, f"{len(passing)} of {len(measured)} settings, {_where(passing, measured)}"
        )
    return Verdict(word, "; ".join(figures))


def _range(check: Check, measured: Sequence[Measured]) -> str:
    by_ratio = sorted(measured, key=lambda m: m.ratio(check.policy, check.to))
    ends = []
    for m in dict.fromkeys((0, len(by_ratio) - 1)):
        one = by_ratio[m]
        ratios = one.ratios(check.policy, check.to)
        at = ", ".join(f"{name} {value}" for name, value in one.params.items())
        ends.append(f"{np.mean(ratios):.2f} (± {np.std(ratios):.2f}) at {at}")
    return f"{check.policy} ÷ {check.to} from {' to '.join(ends)}"


def _where(passing: Sequence[Measured], measured: Sequence[Measured]) -> str:
    """The settings that pass, or those that do not, whichever are fewer; four of them at most."""
    failing = [m for m in measured if m not in passing]
    word, fewer = ("at", passing) if len(passing) <= len(failing) else ("not at", failing)
    shown = [", ".join(f"{name} {value}" for name, value in m.params.items()) for m in fewer[:4]]
    more = f" and {len(fewer) - 4} more" if len(fewer) > 4 else ""
    return f"{word} {' / '.join(shown)}{more}"


def _growth(check: Check, measured: Sequence[Measured]) -> tuple[bool, str]:
    """Compare a power of 1/alpha with a line in its logarithm, at the worst of each 1/alpha."""
    worst = worst_by_alpha(check.policy, measured, check.to)
    x = np.array(sorted(worst))
    y = np.array([worst[inverse] for inverse in x.tolist()])
    power = np.polyfit(np.log(x), np.log(y), 1)
    line = np.polyfit(np.log(x), y, 1)
    of_power = float(np.sum((y - np.exp(np.polyval(power, np.log(x)))) ** 2))
    of_line = float(np.sum((y - np.polyval(line, np.log(x))) ** 2))
    better = "power" if of_power < of_line else "log"
    seen = ", ".join(f"{a:g}: {b:.1f}" for a, b in zip(x, y, strict=True))
    text = (
        f"{check.policy} at 1/alpha = {seen}; best fit: "
        + (f"(1/alpha)^{power[0]:.2f}" if better == "power" else f"{line[0]:.2f} ln(1/alpha)")
        + f" (squared errors: power {of_power:.2g}, log {of_line:.2g})"
    )
    return better == check.grows, text


def _cost(check: Check, measured: Sequence[Measured]) -> tuple[bool, str]:
    """The powers of M and of the number of requests that fit the time of a step best."""
    times = np.array([np.median(m.seconds_per_step[check.policy]) for m in measured])
    sizes = [(m.requests["kv_tokens"], m.requests["num_requests"]) for m in measured]
    columns = np.log(np.array(sizes, float)).T
    design = np.stack([*columns, np.ones(len(times))], axis=1)
    (of_memory, of_requests, _), *_ = np.linalg.lstsq(design, np.log(times), rcond=None)
    text = (
        f"{check.policy}: {times.min() * 1e6:.1f} to {times.max() * 1e6:.1f} us a step, like "
        f"M^{of_memory:.2f} · n^{of_requests:.2f}"
    )
    return bool(of_memory <= check.cost and of_requests <= MOST_IN_REQUESTS), text


def worst_by_alpha(policy: str, measured: Sequence[Measured], to: str) -> dict[float, float]:
    """The largest ratio seen at each 1/alpha."""
    worst: dict[float, float] = {}
    for m in measured:
        worst[m.inverse_alpha] = max(worst.get(m.inverse_alpha, 0.0), m.ratio(policy, to))
    return worst
