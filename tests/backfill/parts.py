"""Records as Kafka hands them over, and a clock that stands until it is moved."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    key: bytes | None
    value: bytes | None


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s
