"""What a predictor is trained on, from a log."""

from __future__ import annotations

from pathlib import Path

from amin.errors import ConfigError
from amin.predictor.training import Replies
from amin.workload.log import Log


def replies_of(log: Log, path: Path) -> Replies:
    """Prompts and the lengths of their replies; raises `ConfigError` where a prompt is missing."""
    prompts = log.trace.prompt.tolist()
    if not prompts or any(prompt is None for prompt in prompts):
        raise ConfigError(
            f"{path}: lines without a prompt, allowed: a prompt (or messages) in each"
        )
    return Replies(prompts, log.num_made, log.is_cut, log.model.tolist())
