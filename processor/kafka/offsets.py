"""Offsets that belong together."""

from __future__ import annotations

from typing import NamedTuple


class Bounds(NamedTuple):
    """The first offset of a partition that is still there, and the one after the last."""

    begin: int
    end: int


class SourceBounds(NamedTuple):
    """A partition of the source: what is still there, from `begin` to before `end`; of it, what may be taken.

    Both ends are the high watermark, but where transactions are open and only what is committed is read.
    """

    begin: int
    end: int
    takeable_end: int


class Reach(NamedTuple):
    """How far a partition of the source is read: all before `position`; and how far it goes, as of the last fetch.

    What lies between `end` and `high_watermark` belongs to transactions that are open, or stands behind them.
    """

    position: int
    end: int
    high_watermark: int
