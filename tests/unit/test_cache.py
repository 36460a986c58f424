import os
import tempfile
from pathlib import Path

import pytest

from amin.cache import is_writable, user_cache, writable_cache


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user whose home cannot exist; returns the system's temporary folder."""
    blocked = tmp_path / "a file, no folder"
    blocked.touch()
    for name in ("AMIN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(blocked))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_users_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """AMIN_CACHE before XDG_CACHE_HOME before the home."""
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("AMIN_CACHE", "~/kept")
    assert user_cache() == Path("/home/u/kept")
    monkeypatch.delenv("AMIN_CACHE")
    assert user_cache() == Path("/xdg/amin")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache() == Path("/home/u/.cache/amin")


def test_a_folder_that_can_be_made_is_writable(tmp_path: Path) -> None:
    """It is made, parents too; a file in the way is no folder."""
    assert is_writable(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    assert not is_writable(tmp_path / "file")


def test_without_a_home_it_lies_in_a_private_temporary_folder(homeless: Path) -> None:
    """One per user, that nobody else may look into."""
    folder = writable_cache()
    assert folder == homeless / f"amin-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_that_others_may_write_is_not_trusted(homeless: Path) -> None:
    """Compiled code is loaded from there: whoever can write it could run code as us."""
    folder = homeless / f"amin-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    assert writable_cache() is None


def test_a_link_in_place_of_the_temporary_folder_is_not_trusted(homeless: Path) -> None:
    """It could lead anywhere."""
    (homeless / "elsewhere").mkdir()
    (homeless / f"amin-{os.getuid()}").symlink_to(homeless / "elsewhere")
    assert writable_cache() is None


def test_nowhere_to_write_is_no_error(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a home nor a temporary folder: no cache."""
    monkeypatch.setattr(tempfile, "tempdir", str(homeless / "a file, no folder"))
    assert writable_cache() is None
