from collections.abc import Callable

import pytest

from amin.record import RunResult
from amin.report.label import labels, provenance, provenances

MakeResult = Callable[..., RunResult]


def test_a_policy_that_occurs_once_is_its_label(make_result: MakeResult) -> None:
    """Seeds are named only where they tell runs apart."""
    runs = [make_result("amin-static"), make_result("fcfs", seed=1), make_result("fcfs", seed=2)]
    assert labels(runs) == ["amin-static", "fcfs, seed 1", "fcfs, seed 2"]


def test_labels_are_printable_and_short(make_result: MakeResult) -> None:
    """Neither an escape sequence nor a line break nor a long name reaches a terminal."""
    hostile, long = labels([make_result("\x1b[2Jboo\n"), make_result("x" * 1000)])
    assert hostile == "\ufffd[2Jboo\ufffd"
    assert long == "x" * 29 + "…"


@pytest.mark.parametrize(
    ("engine", "word"),
    [("vllm", "measured"), ("vllm-dry", "simulated"), ("simulator", "simulated")],
)
def test_known_engines_are_either_measured_or_simulated(engine: str, word: str) -> None:
    """The first word says which."""
    assert provenance(engine).startswith(f"{word}: ")


def test_an_unknown_engine_claims_nothing(make_result: MakeResult) -> None:
    """Neither is asserted, and each provenance is named once."""
    runs = [make_result(engine="new"), make_result(engine="vllm"), make_result(engine="new")]
    assert provenances(runs) == f"{provenance('new')}; {provenance('vllm')}"
    assert "unknown: engine new" in provenance("new")
