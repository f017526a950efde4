"""Header names that aiokafka does not take."""

from __future__ import annotations


class Name(str):
    """A header's name as some producers write it: any bytes."""

    __slots__ = ("raw",)
    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> Name:
        name = cls()
        name.raw = raw
        return name

    def encode(self, *_: str) -> bytes:
        return self.raw
