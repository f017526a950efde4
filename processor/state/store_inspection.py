"""Looking at a store from outside: whether a process holds it, what is in it, and how far and large it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rocksdict import AccessType, Options, Rdict

from processor.state.rocksdb_store import POSITION_KEY
from processor.state.store_errors import state_error

if TYPE_CHECKING:
    from pathlib import Path

_ROCKS_LOCK: Final = "LOCK"


def open_to_look(path: Path) -> Rdict:
    """Return a store to read from, also while a service uses it; what is in that service's memory alone is not seen.

    Raises:
        StateError: it cannot be read.

    """
    try:
        return Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only(False))
    except Exception as error:  # rocksdict raises plain Exception
        raise state_error(error, path) from error


class StoreFigures(NamedTuple):
    """How far a store is, how many profiles it holds, about, and how large it is on disk."""

    position: int
    profiles: int
    size_bytes: int


def figures_of(path: Path) -> StoreFigures:
    """Return the figures of a store, also while a service uses it.

    Raises:
        StateError: it cannot be read.

    """
    database = open_to_look(path)
    try:
        stored = database.get(POSITION_KEY)
        profiles = int(database.property_int_value("rocksdb.estimate-num-keys") or 0)
    finally:
        database.close()
    size_bytes = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    return StoreFigures(int.from_bytes(stored[:8], "big", signed=True) if stored else 0, profiles, size_bytes)


def is_in_use(path: Path) -> bool:
    """Whether a process holds the store."""
    return (path / _ROCKS_LOCK).exists() and _is_held(path)


def _is_held(path: Path) -> bool:
    import fcntl  # noqa: PLC0415  there is none on Windows, where nothing else needs it

    with (path / _ROCKS_LOCK).open("rb+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False
