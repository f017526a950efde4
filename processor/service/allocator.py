"""How a process of the service takes memory from the C library."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import Final

_ARENA_MAX: Final = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""
_SET_BY: Final = (("MALLOC_ARENA_MAX", ""), ("GLIBC_TUNABLES", "glibc.malloc.arena_max"))
"""Variables by which an operator says it, and what they have to have in them."""


def take_from_one_arena() -> None:
    """Have all threads take memory from one arena, where the C library is glibc and the environment does not say otherwise.

    It gives each thread an arena of its own, and what RocksDB's threads let go of stays in theirs. Called before there are threads.
    """
    if not any(name in os.environ and what in os.environ[name] for name, what in _SET_BY):
        with suppress(
            OSError, AttributeError
        ):  # another C library, which has neither the arenas nor the call
            ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
