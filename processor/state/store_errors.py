"""RocksDB's errors, and the system's, as this package's: which of them pass, which are damage, and what to do about each."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from processor.errors import StateError, StateUnavailable
from processor.state.store_files import why_too_many_are_open

if TYPE_CHECKING:
    from pathlib import Path

_PASSING: Final = {
    (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), os.strerror(errno.EFBIG)): (
        "the disk is full: make room, and it goes on by itself; what was not kept is restored from the changelog"
    ),
    (os.strerror(errno.EROFS),): (
        "the disk may only be read: make it writable again, and it goes on by itself; what was not kept is restored from "
        "the changelog"
    ),
    (os.strerror(errno.EIO),): (
        "the disk fails: mend it, or give the service another; without its stores it restores all from the changelog"
    ),
}
"""What the system says of a disk that may be well again, and what to do about it."""


def state_error(error: Exception, path: Path) -> StateError:
    """This package's error for one of RocksDB's, or of the system's, with what to do about it."""
    text = str(error)
    for signs, remedy in _PASSING.items():
        if any(sign in text for sign in signs):
            return StateUnavailable(f"{path}: {remedy} ({text})")
    if "Too many open files" in text:
        return StateError(why_too_many_are_open())
    if "Permission denied" in text:
        return StateError(f"{path}: it cannot be written: see PROCESSOR_STATE_DIRECTORY ({text})")
    if is_damage(error):
        return StateError(
            f"{path}: it is damaged and will be rebuilt from the changelog at the next start ({text})"
        )
    return StateError(f"{path}: the store failed ({text})")


def is_damage(error: Exception) -> bool:
    """Whether the store's files, not its surroundings, are at fault."""
    text = str(error)
    return "Corruption" in text or "checksum" in text or "Invalid argument" in text


def is_locked(error: Exception) -> bool:
    """Whether RocksDB could not open a store because another process has it; it gives no code, so its text is all there is."""
    text = str(error)
    return "lock" in text.lower() and ("temporarily unavailable" in text or "No locks available" in text)
