"""Predictors by specification: ``constant:N``, ``class:PATH``, or ``module:factory``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from amin.errors import ConfigError, UnknownNameError
from amin.predictor.class_table import ClassTablePredictor
from amin.predictor.constant import ConstantPredictor
from amin.predictor.interface import Predictor

PREDICTORS: dict[str, Callable[[str], Predictor]] = {
    "constant": lambda argument: ConstantPredictor(_positive_integer(argument or "1")),
    "class": lambda argument: ClassTablePredictor.from_file(Path(argument)),
}


def get_predictor(spec: str) -> Predictor:
    """The predictor that `spec` names; raises `ConfigError` saying what is wrong with it."""
    kind, _, argument = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if kind in PREDICTORS:
        return PREDICTORS[kind](argument)
    if not argument:
        raise UnknownNameError("predictor", spec, ["constant:N", "class:PATH", "module:factory"])
    try:
        predictor = getattr(importlib.import_module(kind), argument)()
    except Exception as error:  # whatever a factory may raise
        raise ConfigError(f"predictor: cannot make {spec!r} ({error})") from error
    if not isinstance(predictor, Predictor):
        raise ConfigError(
            f"predictor: {spec!r} made a {type(predictor).__name__}, allowed: a Predictor"
        )
    return predictor


def _positive_integer(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= 1):
        raise ConfigError(f"predictor: constant:{text:.20}, allowed: constant:N, 1 <= N < 10**9")
    return int(text)
