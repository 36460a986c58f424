"""A predictor that fails costs its predictions and nothing else."""

from __future__ import annotations

import logging

import pytest
from tests.live.in_process import Prompt, StartEngine, make_prompts

pytestmark = pytest.mark.live

Outputs = list[tuple[int, ...]]


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    """Enough of them to fill the cache."""
    return make_prompts(24)


@pytest.fixture(scope="module")
def expected(start_engine: StartEngine, prompts: list[Prompt]) -> Outputs:
    """What they are answered where all goes well."""
    return start_engine({"policy": "amin-dynamic"}).serve(prompts)


@pytest.mark.parametrize(
    ("predictor", "counter", "complaint"),
    [
        ("Raises", "num_raised", "raised LookupError"),
        ("Hangs", "num_unanswered", "did not answer before the request's end"),
        ("TalksNonsense", "num_invalid", "answered nonsense"),
        ("CannotLearn", "num_lost_outcomes", "raised in learn MemoryError"),
    ],
)
def test_a_broken_predictor_harms_nobody(
    start_engine: StartEngine,
    prompts: list[Prompt],
    expected: Outputs,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    predictor: str,
    counter: str,
    complaint: str,
) -> None:
    """All requests get the same answers, each failure is counted, and one warning tells of all."""
    # vLLM's own logger hands nothing on to the root, where pytest listens.
    logger = logging.getLogger("vllm.amin")
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "propagate", False)
    caplog.set_level(logging.WARNING, logger=logger.name)
    path = f"tests.live.broken_predictors:{predictor}"
    engine = start_engine({"policy": "amin-dynamic", "predictor": path})
    assert engine.serve(prompts) == expected
    counters = engine.scheduler.amin.intake.predictor.counters
    assert counters.num_predictions == len(prompts)
    assert getattr(counters, counter) == len(prompts)
    assert counters.num_failures == (0 if predictor == "CannotLearn" else len(prompts))
    warnings = caplog.records
    assert len(warnings) == 1
    assert complaint in warnings[0].getMessage()
    assert warnings[0].levelno == logging.WARNING
