"""Every claim of the paper, run and judged: ``amin reproduce``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from amin.errors import ConfigError, UnknownNameError
from amin.experiment.claim import YARDSTICK, Claim, Measured, measure
from amin.experiment.setting import Setting
from amin.experiment.verdict import Verdict, judge
from amin.report.terminal import Track


@dataclass(frozen=True)
class Reproduced:
    """A claim, what was measured in each setting, and the verdict."""

    claim: Claim
    measured: Sequence[Measured]
    verdict: Verdict


def shipped_claims() -> list[Claim]:
    """Those in `amin/experiment/claims`, by name."""
    files = sorted(resources.files("amin.experiment").joinpath("claims").iterdir(), key=str)
    return [
        Claim.parse(file.name.removesuffix(".toml"), file.read_text("utf-8"))
        for file in files
        if file.name.endswith(".toml")
    ]


def chosen_claims(names: Sequence[str]) -> list[Claim]:
    """The claims of these names, all that ship where there are none; a name may be a TOML file."""
    by_name = {claim.name: claim for claim in shipped_claims()}
    chosen = []
    for name in names:
        if name.endswith(".toml"):
            try:
                text = Path(name).read_text("utf-8")
            except OSError as error:
                raise ConfigError(f"claim {name}: cannot be read ({error.strerror})") from error
            chosen.append(Claim.parse(Path(name).stem, text))
        elif name in by_name:
            chosen.append(by_name[name])
        else:
            raise UnknownNameError("claim", name, by_name)
    return chosen or list(by_name.values())


def reproduce(
    claims: Sequence[Claim],
    *,
    is_quick: bool = False,
    track: Track = lambda what, total: lambda: None,
) -> list[Reproduced]:
    """Run all settings of all claims on all cores, and judge."""
    for policy in dict.fromkeys(name for claim in claims for name in claim.policies):
        Setting.paper(1, policy).engine()  # Compiles.
    cells = [(claim, params) for claim in claims for params in claim.settings(is_quick)]
    advance = track("reproducing", len(cells))

    def run(cell: tuple[Claim, dict[str, object]]) -> Measured:
        claim, params = cell
        done = measure(claim, params, claim.num_seeds(is_quick))
        advance()
        return done

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        measured = list(pool.map(run, cells))
    finally:
        pool.shutdown(cancel_futures=True)
    found = []
    for claim in claims:
        mine = [m for (of, _), m in zip(cells, measured, strict=True) if of is claim]
        found.append(Reproduced(claim, mine, judge(claim, mine)))
    return found


def as_markdown(found: Sequence[Reproduced]) -> str:
    """The verdicts in one table, and under it each claim's measurements."""
    return _verdicts(found) + "".join(_heading(one) + _details(one) for one in found)


def as_page(found: Sequence[Reproduced], is_quick: bool = False) -> str:
    """The same as HTML, with a figure for each claim; the title says if few settings were run."""
    from amin.experiment.curves import curves_of
    from amin.report.curve_figure import curve_figure
    from amin.report.plain_page import plain_page

    parts = [_verdicts(found)]
    for number, one in enumerate(found):
        figure = curve_figure(
            curves_of(one.claim, one.measured), name=f"claim-{number}", title=one.claim.claim
        )
        parts += [_heading(one), figure, _details(one)]
    return plain_page("amin reproduce" + " --quick (few settings)" * is_quick, parts)


def _verdicts(found: Sequence[Reproduced]) -> str:
    lines = ["| claim | source | verdict | our figures |", "|---|---|---|---|"]
    for one in found:
        cells = (one.claim.claim, one.claim.source, one.verdict.word, one.verdict.figures)
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _heading(one: Reproduced) -> str:
    lines = ["", f"### {one.claim.name}", "", one.claim.claim, ""]
    return "\n".join([*lines, one.claim.note, ""] if one.claim.note else lines) + "\n"


def _details(one: Reproduced) -> str:
    """A row per setting: mean latency ÷ H-SF's, the mean over seeds and the spread."""
    policies = [policy for policy in one.claim.policies if policy != YARDSTICK]
    names = list(one.measured[0].params)
    header = [*names, "n·E[s+o]/M", *(f"{policy} ÷ {YARDSTICK}" for policy in policies)]
    rows = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    for m in one.measured:
        cells = [f"{m.params[name]}" for name in names] + [f"{m.work_over_memory:.1f}"]
        for policy in policies:
            ratios = m.ratios(policy)
            cells.append(f"{m.ratio(policy):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        rows.append(f"| {' | '.join(cells)} |")
    fixed = ", ".join(f"{name} {value}" for name, value in one.claim.requests.items())
    seeds = len(next(iter(one.measured[0].latencies.values())))
    what = f"Requests: {fixed}; {seeds} seeds, mean (smallest-largest)."
    return "\n".join([what, "", *rows]) + "\n"
