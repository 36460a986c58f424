"""Whose request it is tells how long its reply gets, where nobody tells anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amin.engine.vllm.notes import NAME, Notes
from amin.workload.interface import Job

pytestmark = pytest.mark.dry


def _keys(index: int) -> dict[str, Any]:
    return {NAME: Notes(client="long" if index % 2 else "short").as_bytes()}


def _hints(index: int) -> dict[str, Any]:
    return {"amin_client": "long" if index % 2 else "short"}


@pytest.mark.parametrize(
    ("told", "feature"), [(_keys, "client"), (_hints, None)], ids=["key", "hint"]
)
def test_a_key_makes_a_group_and_a_hint_that_is_not_trusted_none(
    stepper: Callable[..., Any],
    job: Callable[..., Job],
    told: Callable[[int], dict[str, Any]],
    feature: str | None,
) -> None:
    """One key's replies have 40 tokens and another's 4: found out, with client hints off."""
    run = stepper("expected-volume", client_hints=False)
    for index in range(120):
        run.add(job(f"r{index}", 8, 40 if index % 2 else 4), extra_args=told(index))
        run.step(3)
    run.finish()
    assert run.scheduler.amin.intake.lengths.feature == feature
