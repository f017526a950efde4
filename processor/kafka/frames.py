"""The frames in which Kafka sends its responses, cut from the bytes of a connection as they come, wherever reads end.

Before each stands its length, of four bytes, signed: https://kafka.apache.org/protocol#protocol_common. Small ones are gathered,
several at a time; a large one is read into a place of just its size, and nothing copies it any more.
"""

from __future__ import annotations

from collections import deque
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
        self.waiting_bytes = 0
        """Of whole frames that were not taken yet."""
        self.refused: ValueError | None = None
        """Where a frame's length is negative: it has no end, so what comes from there on means nothing."""
        self._waiting: deque[bytes | _Large] = deque()
        self._gathered = memoryview(bytearray(_GATHERED_BYTES))
        self._gathered_bytes = 0
        self._large: _Large | None = None
        """The frame of which the rest is awaited, where it is larger than what is gathered."""

    def __len__(self) -> int:
        """How many whole frames were not taken yet."""
        return len(self._waiting)

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

    def came(self, count: int) -> None:
        """So many bytes were written into `room`."""
        if self.refused is not None:
            return
        if self._large is None:
            self._gathered_bytes += count
            self._cut()
            return
        self._large.came(count)
        if self._large.is_whole:
            self._add(self._large, self._large.size)
            self._large = None

    def take(self) -> bytes:
        """The first whole frame that was not taken yet, without its length; there is one."""
        frame = self._waiting.popleft()
        # Not before it is taken: as long as it is being read into, it could only be copied.
        whole = frame if isinstance(frame, bytes) else frame.whole()
        self.waiting_bytes -= len(whole)
        return whole

    def _cut(self) -> None:
        at, end = 0, self._gathered_bytes
        while end - at >= _LENGTH_BYTES:
            begin = at + _LENGTH_BYTES
            size = int.from_bytes(self._gathered[at:begin], signed=True)
            if size < 0:
                self.refused = ValueError(f"a response of {size} bytes was announced")
                at = end
            elif begin + size <= end:
                at = begin + size
                self._add(bytes(self._gathered[begin:at]), size)
            elif _LENGTH_BYTES + size > _GATHERED_BYTES:
                self._large = _Large(size, self._gathered[begin:end])
                at = end
            else:
                break
        self._gathered_bytes = end - at
        if at and self._gathered_bytes:
            self._gathered[: self._gathered_bytes] = bytes(self._gathered[at:end])

    def _add(self, frame: bytes | _Large, size: int) -> None:
        self._waiting.append(frame)
        self.waiting_bytes += size


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
        # As nothing looks at it any more, `getvalue` copies nothing; nor does the `BytesIO` that aiokafka makes of it.
        self.room.release()
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
