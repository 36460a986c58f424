"""Lengths foretold from the prompt's text, by a model trained on a log: ``text:PATH``.

A linear model of the logarithm of the length, over hashed n-grams (`amin.predictor.ngrams`), puts a
prompt into one of ten classes, from those with the shortest replies to those with the longest. What
it says of a class is how long its replies were in the log, of prompts that the model had not seen.
The class is also told to what learns from live traffic (`amin.predictor.features`): a model that
has gone stale is put right by what its classes turn out to have, and one that tells nothing is not
used.

One file of arrays (numpy's own format, nothing is unpickled), written by `amin.predictor.training`.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amin.arrays import Floats
from amin.errors import ConfigError
from amin.predictor.interface import Predictor
from amin.predictor.ngrams import NUM_BUCKETS, Weights, as_bytes, score
from amin.predictor.saved import save
from amin.request import LengthEstimate, Request

KIND = "amin text"
VERSION = 1

LEVELS = np.arange(5, 100, 5) / 100
"""Of the lengths of each class a model knows these quantiles."""


@dataclass(frozen=True)
class TextModel:
    """A model as it is in its file.

    weights     of each bucket of n-grams
    edges       scores between the classes, ascending
    quantiles   a row for each class, at `LEVELS`, in tokens
    about       what it was trained on, for people
    """

    weights: Weights
    edges: Floats
    quantiles: Floats
    about: dict[str, Any]

    def class_of(self, prompt: str) -> int:
        """The class of a prompt, from 0 on."""
        return int(np.searchsorted(self.edges, score(as_bytes(prompt), self.weights)))

    def interval_of(self, number: int) -> tuple[int, int]:
        """What 19 of 20 replies of a class reach, and what 19 of 20 do not exceed."""
        lower, upper = self.quantiles[number, [0, -1]]
        return max(int(lower), 1), max(int(np.ceil(upper)), 1)

    def write(self, path: Path) -> None:
        """Write it whole or not at all; raises `OSError`."""
        about = json.dumps({"kind": KIND, "version": VERSION, **self.about})
        arrays = {"about": np.array(about), "weights": self.weights}
        save({**arrays, "edges": self.edges, "quantiles": self.quantiles}, path)


class TextPredictor(Predictor):
    """Reads the prompt; of a request without a text it says nothing."""

    is_instant = True
    needs_text = True

    def __init__(self, model: TextModel) -> None:
        self.name = "text"
        self.model = model
        self._intervals = [model.interval_of(i) for i in range(len(model.quantiles))]
        # Compile now, not when the first request comes.
        model.class_of("")

    def predict(self, request: Request) -> LengthEstimate:
        """The interval of the prompt's class, and which it is."""
        limit = max(request.max_tokens, 1)
        if request.prompt is None:
            return LengthEstimate(1, limit)
        number = self.model.class_of(request.prompt)
        lower, upper = self._intervals[number]
        return LengthEstimate(lower, upper, f"text {number}").clamp(limit)

    @classmethod
    def from_file(cls, path: Path) -> TextPredictor:
        """Read a model; raises `ConfigError` naming the file and what is wrong with it."""
        return cls(read_text_model(path))


def read_text_model(path: Path) -> TextModel:
    """Raises `ConfigError` naming the file and what is wrong with it."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            model = TextModel(arrays["weights"], arrays["edges"], arrays["quantiles"], about)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _refused(path, f"not a text model ({error})") from error
    if not isinstance(about, dict) or about.get("kind") != KIND or about.get("version") != VERSION:
        raise _refused(path, "not a text model of this version of amin")
    num_classes = len(model.edges) + 1
    for name, array, shape in (
        ("weights", model.weights, (NUM_BUCKETS,)),
        ("edges", model.edges, (num_classes - 1,)),
        ("quantiles", model.quantiles, (num_classes, len(LEVELS))),
    ):
        if array.shape != shape or not np.isfinite(array).all():
            raise _refused(path, f"{name} of {array.shape}, allowed: {shape}, all finite")
    if (model.quantiles < 0).any() or (np.diff(model.quantiles) < 0).any():
        raise _refused(path, "quantiles that are negative or do not ascend")
    weights = np.ascontiguousarray(model.weights, np.float32)
    return TextModel(weights, model.edges, model.quantiles, about)


def _refused(path: Path, what: str) -> ConfigError:
    return ConfigError(f"{path}: {what}; allowed: what amin predictor train wrote")
