"""One run of many: what is simulated, and the name under which its results are kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from amin.experiment.run import Run, simulate
from amin.experiment.setting import Setting
from amin.experiment.stamp import stamp
from amin.experiment.traffic import Traffic

Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One run: `label` is what tables call it, `setting` has the seed."""

    label: str
    traffic: Traffic
    setting: Setting

    def run(self) -> Run:
        """Run it, here and now."""
        setting = self.setting
        return simulate(self.traffic.trace(setting.seed, setting.config), setting)

    def row(self) -> Row:
        """Run it; all numbers of `Run.as_dict`, and the label."""
        return {"label": self.label, **self.run().as_dict()}

    @property
    def key(self) -> str:
        """What tells this cell from all others, and from itself before amin or a file changed."""
        it = self.setting
        named = self.traffic.source, self.traffic.predicted
        changing = stamp(*named, it.step_time, it.predictor, it.policy)
        # A policy's own text has addresses, which are others in every process.
        setting = it if isinstance(it.policy, str) else replace(it, policy=it.policy.name)
        text = repr((changing, self.traffic, setting))
        return hashlib.sha256(text.encode()).hexdigest()[:24]
