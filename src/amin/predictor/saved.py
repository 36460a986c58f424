"""What was learned of lengths, on disk: so that a restart need not learn it again.

One file of arrays (numpy's own format, nothing is unpickled): replies that ended and that were cut,
by group and bin; what each feature has told; and which values have which groups. It is written
beside and then moved, so that a crash while saving leaves the old one.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from uuid import uuid4

import numpy as np

from amin.errors import ConfigError
from amin.predictor.features import FEATURES, MAX_GROUPS, group_number
from amin.predictor.lengths import LearnedLengths
from amin.predictor.survival import ALL, CUT, FINISHED, NEWS, NUM_BINS

VERSION = 1


def snapshot(lengths: LearnedLengths) -> dict[str, np.ndarray]:
    """A copy of what is to be saved, made at once, so that it can be written on another thread."""
    groups = [list(values.groups.items()) for values in lengths.values]
    text = json.dumps({"version": VERSION, "features": FEATURES, "groups": groups})
    return {
        "about": np.array(text),
        "counts": lengths.survival[[FINISHED, CUT], :, 1:].astype(np.float32),
        "gains": lengths.gains.copy(),
    }


def save(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write a `snapshot`; raises `OSError` where it cannot be written."""
    staging = path.with_name(f".{path.name}-{uuid4().hex}")
    try:
        with staging.open("xb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        os.replace(staging, path)
    finally:
        staging.unlink(missing_ok=True)


def restore(lengths: LearnedLengths, path: Path) -> None:
    """Go on from a file that `save` wrote; raises `ConfigError` naming file and what is wrong."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            counts, gains = arrays["counts"], arrays["gains"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _refused(path, f"not a file of lengths ({error})") from error
    if not isinstance(about, dict) or about.get("version") != VERSION:
        raise _refused(path, "of another version of amin")
    if about.get("features") != list(FEATURES):
        raise _refused(path, "learned by other features")
    expected = 2, lengths.survival.shape[1], NUM_BINS - 1
    if counts.shape != expected or gains.shape != (len(FEATURES),):
        raise _refused(path, f"arrays of {counts.shape}, allowed: {expected}")
    if not (np.isfinite(counts).all() and (counts >= 0).all() and np.isfinite(gains).all()):
        raise _refused(path, "numbers that are negative or not finite")
    try:
        groups = [{value: int(n) for value, n in pairs} for pairs in about["groups"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _refused(path, f"groups that are none ({error})") from error
    if len(groups) != len(FEATURES) or not all(
        sorted(of.values()) == [group_number(feature, i + 1) for i in range(len(of))]
        and len(of) <= MAX_GROUPS
        for feature, of in enumerate(groups)
    ):
        raise _refused(path, "groups that are none")
    num_replies = counts.sum(axis=(0, 2))
    for values, of in zip(lengths.values, groups, strict=True):
        values.restore(of, {group: int(num_replies[group]) for group in of.values()})
    lengths.survival[[FINISHED, CUT], :, 1:] = counts
    lengths.gains[:] = gains
    # Learned from as one that has news; which it has not, so that nothing is forgotten.
    lengths.survival[NEWS, ALL + 1 :, 0] = np.where(num_replies[1:] > 0, 1e-9, 0.0)
    lengths.refresh(np.zeros((1, len(FEATURES)), np.int64))


def _refused(path: Path, what: str) -> ConfigError:
    return ConfigError(f"lengths_file: {path}: {what}; allowed: a file that this version wrote")
