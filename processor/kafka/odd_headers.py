"""Batches in which a header's name is not UTF-8.

Kafka takes any bytes for a header's name, and so do producers that are not Java's. aiokafka's parser gives up on them, and
with them on all of their batch: a partition would stand still for a header that nobody asked for. Such a batch is
unpacked once more by the parser that aiokafka keeps in Python, on bytes that can be decoded whatever they are.

It touches aiokafka's private names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from aiokafka.record.default_records import _DefaultRecordBatchPy

if TYPE_CHECKING:
    from typing import SupportsIndex

    from processor.profile.source_record import Record


def unpack_any_header(data: bytes) -> list[Record]:
    r"""The records of one batch of format 2; what is not UTF-8 in a name is written as `\xff`."""
    return list(_AnyHeaderBatch(data))


class _AnyHeaderBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka has no types
    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _AnyBytes(self._buffer)


class _AnyBytes(bytearray):
    """Bytes that are a text in any case; parts of them are, too."""

    @overload
    def __getitem__(self, place: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, place: slice) -> _AnyBytes: ...

    def __getitem__(self, place: SupportsIndex | slice) -> int | _AnyBytes:
        if isinstance(place, slice):
            return _AnyBytes(super().__getitem__(place))
        return super().__getitem__(place)

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return bytes(self).decode(encoding, errors)
