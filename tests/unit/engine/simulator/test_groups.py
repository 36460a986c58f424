"""Groups of a whole trace, against the same asked one request at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amin.engine.simulator.groups import ANEW, groups_of
from amin.predictor import features
from amin.predictor.features import FEATURES, Groups
from amin.predictor.survival import ALL
from amin.request import LengthEstimate, Request
from amin.workload.interface import Job
from amin.workload.trace import Trace

names = st.sampled_from([None, *"abcdef"])
requests: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    num_prompt_tokens=st.integers(1, 3000),
    max_tokens=st.integers(1, 5),
    predicted_class=names,
    client=names,
    hint=st.none() | st.just(LengthEstimate(2, 5)),
    prompt_token_ids=st.none() | st.integers(0, 9).map(lambda token: (token,) * 64),
)


def _trace(rows: list[dict[str, Any]]) -> Trace:
    jobs = []
    for i, row in enumerate(rows):
        prompt = row.pop("prompt_token_ids") or ()
        jobs.append(Job(Request(str(i), prompt_token_ids=prompt, **row), 1))
    return Trace.of(jobs)


def _partition(groups: Any) -> list[list[int]]:
    """For each feature, who is grouped with whom, by first appearance; and who begins anew."""
    columns = []
    for column in np.asarray(groups).T.tolist():
        seen = {ALL: 0}
        anew = [value >= ANEW for value in column]
        column = [value % ANEW for value in column]
        columns.append([seen.setdefault(value, len(seen)) for value in column] + anew)
    return columns


def _row(groups: Groups, request: Request) -> list[int]:
    row, anew = groups.arrived(request)
    return [group + ANEW * (group in anew) for group in row]


@pytest.mark.parametrize("most", [2, 63])
@pytest.mark.parametrize("candidates", [4, 4096])
@pytest.mark.parametrize("halving", [3, 4096])
def test_as_one_by_one(
    most: int, candidates: int, halving: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same groups, begun anew at the same requests, also where there are more values than
    groups, or than are watched."""
    limits = {
        "MAX_GROUPS": most, "MAX_CANDIDATES": candidates, "ARRIVALS_PER_HALVING": halving,
    }  # fmt: skip
    for module in (vars(features), groups_of.__globals__):
        for name in limits.keys() & module.keys():
            monkeypatch.setitem(module, name, limits[name])

    @settings(max_examples=60, deadline=None)
    @given(st.lists(requests, min_size=1, max_size=120))
    def check(rows: list[dict[str, Any]]) -> None:
        trace, groups = _trace(rows), Groups()
        expected = [_row(groups, job.request) for job in trace]
        assert _partition(groups_of(trace)) == _partition(expected)

    check()


def test_each_feature_has_numbers_of_its_own() -> None:
    """No group is shared by two features."""
    row = {"num_prompt_tokens": 9, "max_tokens": 9, "predicted_class": "a", "client": "a"}
    hint = LengthEstimate(2, 5)
    trace = _trace([row | {"prompt_token_ids": (1,) * 64, "hint": hint} for _ in range(9)])
    last = groups_of(trace)[-1]
    assert ALL not in last
    assert len(set(last.tolist())) == len(FEATURES)
