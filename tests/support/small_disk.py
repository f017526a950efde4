"""A small disk that a test can fill, where this user may mount one, and a machine has what mounts."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK_BYTES = 64 * 1024


@contextmanager
def small_disk(path: Path, size_bytes: int) -> Iterator[bool]:
    """Have a file system in memory at `path`, a directory, while the context lasts; False where that cannot be."""
    if shutil.which("mount") is None:
        yield False
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(path)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        # Lazily: what was ended a moment ago may still have a file open there.
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(file: Path) -> None:
    """Write a file until its disk takes nothing more; take it away to make room."""
    with file.open("wb", buffering=0) as writing:
        try:
            while True:
                writing.write(bytes(_BLOCK_BYTES))
        except OSError:
            return
