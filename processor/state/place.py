"""Where the stores of a group and topic are: a path alone, for those as well who open no store, and need no RocksDB."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

    from processor.settings import StateSettings

_FOLDER_MAX: Final = 255
"""Bytes of a file's name, on the file systems of Linux."""
_FOLDER_KEPT: Final = 128


def place_of(settings: StateSettings, group: str, topic: str) -> Path:
    """The directory of all stores of a group and topic."""
    return settings.directory / _folder(group) / _folder(topic)


def _folder(name: str) -> str:
    """A folder's name for any name; one that file systems find too long is cut, and distinguished from others by its digest."""
    # A name of dots alone would lead elsewhere; quote leaves dots as they are.
    folder = f"{quote(name, safe='')}~"
    if len(folder) <= _FOLDER_MAX:
        return folder
    return f"{folder[:_FOLDER_KEPT]}~{hashlib.sha256(name.encode()).hexdigest()}~"
