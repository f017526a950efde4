"""Offsets that belong together."""

from __future__ import annotations

from typing import Final, NamedTuple

START: Final = "start"
"""The metadata of an offset that is committed before anything was processed."""


class Bounds(NamedTuple):
    """The first offset of a partition that is still there, and the one after the last."""

    begin: int
    end: int


class Committed(NamedTuple):
    """The group's offset of a partition; `is_start` where it was committed before anything was processed."""

    offset: int
    is_start: bool
