"""Prompts behind templates share what they say they share, and nothing else."""

from itertools import combinations

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.workload.generate import generate
from amin.workload.hashed_prompt import UNIT
from amin.workload.templates import with_templates


def _num_alike(a: list[int], b: list[int]) -> int:
    """Tokens with which both begin."""
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(map(len, (a, b)))
    )


def test_prompts_share_their_template_alone() -> None:
    """Two prompts begin alike for as long as their common template is, or not at all; own tokens
    are as many as before; each template is in front of somebody, and some have none."""
    base = generate("lmsys-like", 60, seed=1)
    sizes = np.array([256, 1024])
    trace = with_templates(base, sizes, 1, share=0.7)
    added = trace.num_prompt_tokens - base.num_prompt_tokens
    assert set(added.tolist()) == {0, 256, 1024}
    prompts = [list(prompt) for prompt in trace.prompt_token_ids]
    assert [len(prompt) for prompt in prompts] == trace.num_prompt_tokens.tolist()
    for i, j in combinations(range(60), 2):
        expected = added[i] if added[i] == added[j] else 0
        assert _num_alike(prompts[i], prompts[j]) == expected


def test_the_first_templates_are_the_common_ones() -> None:
    """With a skew, and with none all are as common."""
    base = generate("lmsys-like", 4000, seed=2)
    for skew, low, high in ((0.0, 0.8, 1.25), (1.5, 4.0, 12.0)):
        trace = with_templates(base, np.array([256, 512, 1024, 2048]), 2, skew=skew)
        added = trace.num_prompt_tokens - base.num_prompt_tokens
        assert low < (added == 256).sum() / (added == 2048).sum() < high


@pytest.mark.parametrize(
    ("sizes", "share", "message"),
    [([], 1.0, "sizes: got"), ([UNIT - 1], 1.0, "sizes: got"), ([64], 0.0, "share: got 0")],
)
def test_nonsense_is_named(sizes: list[int], share: float, message: str) -> None:
    """Field, value and what is allowed."""
    with pytest.raises(ConfigError, match=message):
        with_templates(generate("lmsys-like", 5, seed=1), np.array(sizes), 1, share=share)
