"""Requirements as a lock file has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def locked(path: Path) -> dict[str, set[str]]:
    """Each package's versions and hashes."""
    found: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=\S)", path.read_text()):
        name = re.match(r"([a-z0-9._-]+)==([^ ]+)", block)
        if name:
            found.setdefault(name[1], set()).update({name[2], *re.findall(r"sha256:[0-9a-f]{64}", block)})
    return found
