"""The prompts that ship with amin: eight kinds whose replies differ in length, 24 of each.

One half is for measuring how long the replies of each kind are, the other for serving: a
prediction is never made from the prompt that it is used for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

import numpy as np


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat prompt and its kind (yes-no, list, story, ...), which a gateway could know."""

    id: str
    kind: str
    text: str


def read_prompts() -> list[Prompt]:
    """All prompts, grouped by kind."""
    text = resources.files("amin.demo").joinpath("prompts.jsonl").read_text("utf-8")
    return [Prompt(**json.loads(line)) for line in text.splitlines()]


def halves() -> tuple[list[Prompt], list[Prompt]]:
    """(prompts to measure class bounds on, prompts to serve): every other one of each kind."""
    prompts = read_prompts()
    return prompts[::2], prompts[1::2]


def served_prompts(number: int, seed: int) -> list[Prompt]:
    """The prompts to serve, in an order drawn from the seed; they repeat beyond one round."""
    _, prompts = halves()
    rng = np.random.default_rng(seed)
    order: list[int] = []
    while len(order) < number:
        order += rng.permutation(len(prompts)).tolist()
    return [prompts[i] for i in order[:number]]
