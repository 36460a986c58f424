from collections import Counter

from amin.demo.prompts import halves, read_prompts, served_prompts


def test_a_hundred_or_more_prompts_of_eight_kinds_ship() -> None:
    """192 prompts, 24 of each of eight kinds, no text twice."""
    prompts = read_prompts()
    assert set(Counter(prompt.kind for prompt in prompts).values()) == {24}
    assert len({prompt.kind for prompt in prompts}) == 8
    assert len({prompt.text for prompt in prompts}) == len(prompts) == 192


def test_no_prompt_is_both_measured_and_served() -> None:
    """The halves share no prompt and have the same kinds in the same numbers."""
    measured, served = halves()
    assert not {prompt.id for prompt in measured} & {prompt.id for prompt in served}
    assert Counter(p.kind for p in measured) == Counter(p.kind for p in served)


def test_what_is_served_follows_from_the_seed_alone() -> None:
    """Equal seeds give equal orders, other seeds other ones; beyond a round prompts repeat."""
    first = served_prompts(100, seed=1)
    assert first == served_prompts(100, seed=1)
    assert first != served_prompts(100, seed=2)
    assert len(first) == 100
    assert len({prompt.id for prompt in first[:96]}) == 96
    assert {prompt.id for prompt in first} <= {prompt.id for prompt in halves()[1]}
