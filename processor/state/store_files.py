"""What the stores of a process take of the files that it may have open, and what each may take of them.

Measured of RocksDB: a store at rest has six open, its log, lock, manifest and write-ahead log and twice its directory,
and one for each table file that was looked into and is not closed again for others' sake.
"""

from __future__ import annotations

from typing import Final

import structlog

from processor.errors import StateError
from processor.state import open_files

log = structlog.get_logger(__name__)

_AT_REST: Final = 6
_TABLES_LEAST: Final = 10
"""As few as RocksDB's least lets it keep open. It holds some four of a store with little in it."""
_TABLES_MOST: Final = 500
_UNCOUNTED: Final = 10
"""What RocksDB's own option counts in beside tables."""
_OTHERS_LEAST: Final = 64
_OTHERS: Final = 256
"""What else is open: connections to brokers, to Kinesis and to those who ask for metrics; few, and many."""


def max_open_files(stores: int) -> int:
    """RocksDB's option of that name, for a store of as many as a process may come to hold."""
    share = (open_files.limit() - _OTHERS) // max(stores, 1) - _AT_REST
    return min(max(share, _TABLES_LEAST), _TABLES_MOST) + _UNCOUNTED


def check_room(stores: int) -> None:
    """See that so many stores can be open at once; log a warning where they may come to want more than there is.

    Raises:
        StateError: they cannot.

    """
    limit = open_files.limit()
    least, ample = _AT_REST * stores + _OTHERS_LEAST, (_AT_REST + _TABLES_LEAST) * stores + _OTHERS
    if limit < least:
        raise StateError(
            f"{stores} partitions at once need {least:,} open files at least, better {ample:,}, and this process may "
            f"have {limit:,}: {open_files.remedy()}"
        )
    if limit < ample:
        log.warning(
            "the limit of open files is tight for so many partitions",
            partitions=stores,
            limit=limit,
            wanted=ample,
            remedy=open_files.remedy(),
        )


def why_too_many_are_open() -> str:
    """Return why a store could not open a file, where that is the process's limit, and what to do about it."""
    return f"too many open files, of {open_files.limit():,} that this process may have: {open_files.remedy()}"
