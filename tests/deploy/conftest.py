"""What takes long is made once a session."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deploy.image import BASE, Image, Store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The built image; the base of it is kept in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "profile-export-processor"
    store = Store(cache / "images")
    if not store.has(BASE):
        with tempfile.TemporaryDirectory(prefix="processor-base-") as directory:
            store.make_base(Path(directory))
    store.build()
    built = Image(store)
    try:
        yield built
    finally:
        built.close()
