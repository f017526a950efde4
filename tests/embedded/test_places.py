"""A bare container: no HOME, a user without an entry, nothing that can be written. Each is told with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from processor.embedded.places import cache_directory, working_directory
from processor.errors import EmbeddedServerError


def test_the_cache_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "profile-export-processor"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert cache_directory() == tmp_path / "elsewhere" / "profile-export-processor"
    assert cache_directory().is_dir()


def test_without_a_home_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(EmbeddedServerError, match="XDG_CACHE_HOME"):
        cache_directory()


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
def test_a_home_that_cannot_be_written_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    with pytest.raises(EmbeddedServerError, match=r"file.*XDG_CACHE_HOME"):
        cache_directory()


def test_a_working_directory_goes_with_its_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with working_directory("one-") as made:
        assert made.parent == tmp_path
        assert made.is_dir()
    assert not made.exists()


def test_where_none_can_be_made_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(EmbeddedServerError, match="TMPDIR"), working_directory("one-"):
        pytest.fail("it was made")
