"""An exception in amin's own code, in an engine with a model: the answers are what they were."""

from __future__ import annotations

import pytest
from tests.live.in_process import StartEngine, make_prompts

pytestmark = pytest.mark.live


PROMPTS = make_prompts(24)


@pytest.fixture(scope="module")
def expected(start_engine: StartEngine) -> list[tuple[int, ...]]:
    """What is answered where nothing fails."""
    return start_engine({"policy": "expected-volume"}).serve(PROMPTS)


@pytest.mark.parametrize("entry", ["arrived", "key", "victims", "learned"])
def test_the_server_goes_on_as_vllm(
    start_engine: StartEngine, expected: list[tuple[int, ...]], entry: str
) -> None:
    """Under load, from its fifth call on, whatever it is asked raises: greedy answers stay the
    same, and the queue is vLLM's own at the end."""
    engine = start_engine({"policy": "expected-volume"})
    amin, num_calls = engine.scheduler.amin, 0
    original = getattr(amin, entry)

    def broken(*args: object) -> object:
        nonlocal num_calls
        num_calls += 1
        if num_calls >= 5:
            raise RuntimeError("injected")
        return original(*args)

    setattr(amin, entry, broken)
    assert engine.serve(PROMPTS) == expected
    assert engine.scheduler.amin_boundary.is_off
    assert type(engine.scheduler.waiting).__module__.startswith("vllm.")
