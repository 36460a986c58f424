"""What was learned of lengths, saved and restored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amin.errors import ConfigError
from amin.predictor.features import FEATURES
from amin.predictor.lengths import LearnedLengths
from amin.predictor.saved import restore, save, snapshot
from amin.request import Request


def _request(name: str) -> Request:
    return Request(
        "r", 80, 1000, predicted_class=name, client="the-client", prompt_token_ids=(7,) * 80
    )


def _learned() -> LearnedLengths:
    lengths, rng = LearnedLengths(), np.random.default_rng(0)
    for i in rng.integers(0, 3, 600).tolist():
        groups = lengths.arrived(_request(str(i)))
        lengths.learn(groups, int(rng.integers(1, 20)) + 100 * i, is_censored=i == 2)
        if lengths.is_due:
            lengths.refresh(np.zeros((1, len(FEATURES)), np.int64))
    return lengths


def test_a_restart_goes_on_where_it_ended(tmp_path: Path) -> None:
    """The same groups, the same feature, the same bounds."""
    before, after = _learned(), LearnedLengths()
    save(snapshot(before), tmp_path / "l.npz")
    restore(after, tmp_path / "l.npz")
    assert after.feature == before.feature == "class"
    for name in "012":
        assert after.arrived(_request(name)) == before.arrived(_request(name))
        for coverage in (0.5, 0.9):
            bounds = [one.lower_bound(_request(name), coverage) for one in (before, after)]
            assert bounds[1] == pytest.approx(bounds[0], rel=0.1)
    assert after.lower_bound(_request("1"), 0.5) > 90


def test_names_are_not_in_the_file(tmp_path: Path) -> None:
    """Neither a client's nor a class's."""
    lengths = LearnedLengths()
    for _ in range(9):
        lengths.arrived(_request("secret-class"))
    save(snapshot(lengths), tmp_path / "l.npz")
    with np.load(tmp_path / "l.npz") as arrays:
        text = str(arrays["about"])
    assert "secret" not in text
    assert "the-client" not in text
    assert len(json.loads(text)["groups"][FEATURES.index("client")]) == 1


def test_a_crash_while_saving_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no litter."""
    path = tmp_path / "l.npz"
    save(snapshot(_learned()), path)
    old = path.read_bytes()

    def fails(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fails)
    with pytest.raises(OSError, match="No space"):
        save(snapshot(_learned()), path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def _about(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def changed(arrays: dict[str, Any]) -> None:
        about = json.loads(str(arrays["about"]))
        change(about)
        arrays["about"] = np.array(json.dumps(about))

    return changed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("gains"), "not a file of lengths"),
        (_about(lambda about: about.update(version=99)), "another version"),
        (_about(lambda about: about.update(features=["x"])), "other features"),
        (_about(lambda about: about.update(groups=[])), "groups that are none"),
        (_about(lambda about: about["groups"][0].append(["x", 77])), "groups that are none"),
        (lambda a: a.update(counts=a["counts"][:, :5]), "arrays of"),
        (lambda a: a.update(counts=-a["counts"] - 1), "negative or not finite"),
        (lambda a: a.update(gains=a["gains"] * np.nan), "negative or not finite"),
        (lambda a: a.update(gains=np.array([object()] * 6)), "not a file of lengths"),
    ],
)
def test_a_foreign_file_is_refused(
    change: Callable[[dict[str, Any]], None], words: str, tmp_path: Path
) -> None:
    """Named, nothing unpickled, and nothing of it is believed."""
    arrays: dict[str, Any] = dict(snapshot(_learned()))
    change(arrays)
    np.savez(tmp_path / "l.npz", **arrays)
    lengths = LearnedLengths()
    with pytest.raises(ConfigError, match=f"lengths_file: .*l.npz: .*{words}"):
        restore(lengths, tmp_path / "l.npz")
    assert not lengths.survival[:2].any()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"not an archive", b"\x80\x04."])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    """An empty file, half an archive, text, a pickle."""
    path = tmp_path / "l.npz"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a file of lengths"):
        restore(LearnedLengths(), path)
