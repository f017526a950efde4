"""Writes files whole or not at all: each under a temporary name in its own folder, and then renamed."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def trouble_with(path: Path) -> str | None:
    """Why no file can be written at `path`; None where one can, or where that is not known before it is tried."""
    try:
        place = path.resolve()
        if place.is_dir():
            return f"{path} is a directory: name the file in it"
        if place.exists() and not place.is_file():
            return f"{path} is a device or a pipe: name a file"
        if not place.parent.is_dir():
            return f"{place.parent} is no directory: make it first"
    except (OSError, RuntimeError, ValueError) as error:
        return f"{path} cannot be used: {error}"
    if not os.access(place.parent, os.W_OK | os.X_OK):
        return f"{place.parent} cannot be written: name a file in a directory that can be"
    return None


def is_taken(path: Path) -> bool:
    """Whether something is there: a file, or a link, wherever it leads."""
    return os.path.lexists(path)


def write_new(texts: Mapping[Path, str], over: Collection[Path]) -> None:
    """Write each text to its path; only paths of `over` may exist. A link stays, and what it leads to is written.

    All of them are on the disk under temporary names before the first has its own, in the mapping's order.

    Raises:
        FileExistsError: another than those of `over` is there by now; it was left as it was.
        OSError: one cannot be written. None is half written, and those that come after it are not there.

    """
    ready: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            ready[path] = _prepared(path.resolve(), text)
        for path, temporary in ready.items():
            if path in over:
                temporary.replace(path.resolve())
            else:
                _name(temporary, path)
    finally:
        for temporary in ready.values():
            temporary.unlink(missing_ok=True)


def _prepared(place: Path, text: str) -> Path:
    """The text in a file beside `place`, on the disk, with the permissions that `place` has or would have."""
    try:
        mode = place.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    number, name = tempfile.mkstemp(prefix=f".{place.name[:100]}.", dir=place.parent)
    temporary = Path(name)
    try:
        with open(number, "wb") as file:  # noqa: PTH123  the number of a file that is open
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _name(temporary: Path, path: Path) -> None:
    """Give a file its name, where nothing has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        # A file system without links: what comes in between these two lines would be written over.
        if is_taken(path):
            raise FileExistsError(f"{path} exists") from error
        temporary.replace(path)
