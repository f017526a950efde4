"""Offsets that belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from processor.kafka.commit_metadata import Mark, Repartition

START: Final = "start"
"""The metadata of an offset that is committed before anything was processed."""


class Bounds(NamedTuple):
    """The first offset of a partition that is still there, and the one after the last."""

    begin: int
    end: int


class Committed(NamedTuple):
    """The group's offset of a partition; `is_start` where it was committed before anything was processed.

    `mark` is what the service wrote beside it; None where somebody else set it, or a release that wrote none. `repartition` is
    there while state is moved to other partitions.
    """

    offset: int
    is_start: bool
    mark: Mark | None = None
    repartition: Repartition | None = None


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
