"""Predictors by specification: ``online``, ``text:PATH``, ``calibrated:SPEC``, ... (`ALLOWED`)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from amin.errors import ConfigError, UnknownNameError
from amin.predictor.calibrated import CalibratedPredictor
from amin.predictor.class_table import ClassTablePredictor
from amin.predictor.constant import ConstantPredictor
from amin.predictor.interface import Predictor
from amin.predictor.online import COVERAGE, OnlinePredictor

PREDICTORS: dict[str, Callable[[str], Predictor]] = {
    "online": lambda argument: _online(argument),
    "constant": lambda argument: ConstantPredictor(_positive_integer(argument or "1")),
    "class": lambda argument: ClassTablePredictor.from_file(_path("class", "table", argument)),
    "text": lambda argument: _text(argument),
    "similar": lambda argument: _similar(argument),
    "calibrated": lambda argument: CalibratedPredictor(get_predictor(argument)),
}
ALLOWED = (
    "online[:COVERAGE]", "text:PATH", "similar", "class:PATH", "constant:N", "calibrated:SPEC",
    "module:factory",
)  # fmt: skip


def check_predictor_spec(spec: str) -> None:
    """Raise `ConfigError` if `spec` can name no predictor; makes none of somebody else's.

    A factory may load a model: only the process that predicts is to call it.
    """
    inner = wrapped(spec)
    if inner is not None:
        check_predictor_spec(inner)
        return
    kind, argument = _split(spec)
    if kind in PREDICTORS:
        PREDICTORS[kind](argument)
        return
    try:
        found = kind in sys.modules or importlib.util.find_spec(kind)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"predictor: cannot make {spec!r} ({error})") from error
    if not found:
        raise ConfigError(f"predictor: cannot make {spec!r} (No module named {kind!r})")


def wrapped(spec: str) -> str | None:
    """The specification that `spec` only corrects; None where it stands for itself."""
    kind, argument = _split(spec)
    return argument if kind == "calibrated" else None


def reads_text(spec: str) -> bool:
    """Whether the predictor that `spec` names needs the prompt's text; none is made.

    Of somebody's own, the factory is asked: a subclass of `Predictor` that says `needs_text`.
    """
    inner = wrapped(spec)
    if inner is not None:
        return reads_text(inner)
    kind, argument = _split(spec)
    if kind in PREDICTORS:
        return kind == "text"
    try:
        return bool(getattr(getattr(importlib.import_module(kind), argument), "needs_text", False))
    except Exception:  # what is wrong is said where it is made
        return False


def get_predictor(spec: str) -> Predictor:
    """Make the predictor that `spec` names; raises `ConfigError` saying what is wrong with it."""
    kind, argument = _split(spec)
    if kind in PREDICTORS:
        return PREDICTORS[kind](argument)
    try:
        predictor = getattr(importlib.import_module(kind), argument)()
    except Exception as error:  # whatever a factory may raise
        raise ConfigError(f"predictor: cannot make {spec!r} ({error})") from error
    if not isinstance(predictor, Predictor):
        raise ConfigError(
            f"predictor: {spec!r} made a {type(predictor).__name__}, allowed: a Predictor"
        )
    return predictor


def _split(spec: str) -> tuple[str, str]:
    kind, _, argument = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if kind not in PREDICTORS and not (kind and argument):
        raise UnknownNameError("predictor", spec, ALLOWED)
    return kind, argument


def _path(kind: str, needed: str, argument: str) -> Path:
    if not argument:
        raise ConfigError(f"predictor: {kind} needs a {needed}, allowed: {kind}:PATH")
    return Path(argument)


def _text(argument: str) -> Predictor:
    # Compiles, which others need not wait for.
    from amin.predictor.text import TextPredictor

    return TextPredictor.from_file(_path("text", "model", argument))


def _similar(argument: str) -> Predictor:
    if argument:
        raise ConfigError(f"predictor: similar:{argument:.20}, allowed: similar")
    from amin.predictor.similar import SimilarPredictor

    return SimilarPredictor()


def _online(text: str) -> Predictor:
    try:
        return OnlinePredictor(float(text) if text else COVERAGE)
    except ValueError as error:
        raise ConfigError(f"predictor: online:{text:.20}, allowed: online:C, 0 < C < 1") from error


def _positive_integer(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= 1):
        raise ConfigError(f"predictor: constant:{text:.20}, allowed: constant:N, 1 <= N < 10**9")
    return int(text)
