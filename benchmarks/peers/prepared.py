"""What a peer needs is made once, in the user's cache; a peer that cannot be made is left out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class PeerUnavailableError(Exception):
    """A peer cannot take part on this machine; the text says why, and what would have it take part."""


def peers_cache() -> Path:
    """The directory in the user's cache under which peers are prepared."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "profile-export-processor"
    home.mkdir(parents=True, exist_ok=True)
    return home


def require_programs(names: Iterable[str], installed_by: str) -> None:
    """See that programs are on the PATH.

    Raises:
        PeerUnavailableError: one is not.

    """
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise PeerUnavailableError(f"not on the PATH: {', '.join(missing)} ({installed_by})")
