"""The frames in which Kafka sends its responses, cut from the bytes of a connection as they come, wherever reads end.

Before each stands its length, of four bytes, signed: https://kafka.apache.org/protocol#protocol_common. Small ones are gathered,
several at a time; a large one is read into a place of just its size, and nothing copies it any more.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

_LENGTH_BYTES: Final = 4
_GATHERED_BYTES: Final = 4096
"""Of a large frame, so much is copied once more."""
_PIECE_BYTES: Final = 32 << 20
"""Twice what a fetch returns by default. What is announced is no reason to reserve more: it may never come, or come from
a server that is no broker."""


class Frames:
    """Cuts frames; bytes are written into `room`, and then `came` is told how many."""

    def __init__(self) -> None:
        self._gathered = memoryview(bytearray(_GATHERED_BYTES))
        self._gathered_bytes = 0
        self._large: _Large | None = None
        """The frame of which the rest is awaited, where it is larger than what is gathered."""

    @property
    def room(self) -> memoryview:
        """Where the next bytes belong; it is never empty."""
        return self._gathered[self._gathered_bytes :] if self._large is None else self._large.room

    @property
    def unfinished(self) -> tuple[bytes, int]:
        """What is there of the length, or of the frame, that is not there as a whole; and how many bytes that has."""
        if self._large is not None:
            return self._large.so_far(), self._large.size
        begun = bytes(self._gathered[: self._gathered_bytes])
        if len(begun) < _LENGTH_BYTES:
            return begun, _LENGTH_BYTES
        return begun[_LENGTH_BYTES:], int.from_bytes(begun[:_LENGTH_BYTES])

    def came(self, count: int) -> tuple[list[bytes], ValueError | None]:
        """The frames that are whole by now, in order, without their lengths.

        With an error where the next one's length is negative: it has no end, so none that follows has a beginning, and what
        comes from now on means nothing.
        """
        if self._large is None:
            self._gathered_bytes += count
            return self._take_gathered()
        self._large.came(count)
        if not self._large.is_whole:
            return [], None
        frame, self._large = self._large.whole(), None
        return [frame], None

    def _take_gathered(self) -> tuple[list[bytes], ValueError | None]:
        frames, refused = list[bytes](), None
        at, end = 0, self._gathered_bytes
        while end - at >= _LENGTH_BYTES:
            begin = at + _LENGTH_BYTES
            size = int.from_bytes(self._gathered[at:begin], signed=True)
            if size < 0:
                refused = ValueError(f"a response of {size} bytes was announced")
                at = end
            elif begin + size <= end:
                at = begin + size
                frames.append(bytes(self._gathered[begin:at]))
            elif _LENGTH_BYTES + size > _GATHERED_BYTES:
                self._large = _Large(size, self._gathered[begin:end])
                at = end
            else:
                break
        self._gathered_bytes = end - at
        if at and self._gathered_bytes:
            self._gathered[: self._gathered_bytes] = bytes(self._gathered[at:end])
        return frames, refused


class _Large:
    """A frame that is read into its own place."""

    def __init__(self, size: int, beginning: memoryview) -> None:
        self.size = size
        self._missing_bytes = size
        self._pieces: list[BytesIO] = []
        self.room = memoryview(b"")
        self._next_piece()
        self.room[: len(beginning)] = beginning
        self.came(len(beginning))

    @property
    def is_whole(self) -> bool:
        return not self._missing_bytes

    def came(self, count: int) -> None:
        self._missing_bytes -= count
        self.room = self.room[count:]
        if not self.room and self._missing_bytes:
            self._next_piece()

    def whole(self) -> bytes:
        # `getvalue` copies nothing, and nor does the `BytesIO` that aiokafka makes of it.
        if len(self._pieces) == 1:
            return self._pieces[0].getvalue()
        return b"".join(piece.getvalue() for piece in self._pieces)

    def so_far(self) -> bytes:
        return b"".join(piece.getvalue() for piece in self._pieces)[: self.size - self._missing_bytes]

    def _next_piece(self) -> None:
        # Zeros that were never looked at take neither memory nor time.
        piece = BytesIO(bytes(min(self._missing_bytes, _PIECE_BYTES)))
        self._pieces.append(piece)
        self.room = piece.getbuffer()
