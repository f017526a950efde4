"""The line between a parent and a worker: a pair of sockets that no other process can reach.

The first that comes over it is what the worker is started with. Then the parent asks with a line that holds a number,
and the worker answers with that number and one line of JSON; or it tells of changed configuration files, with a line of
JSON. The worker's end is its standard input, and the end of the line is the end of the parent.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from processor.configuration import Files
from processor.telemetry.report import Observation

if TYPE_CHECKING:
    from collections.abc import Callable

_LINE_BYTES_MAX: Final = 64 * 1024 * 1024
_LENGTH_BYTES: Final = 4
_STDIN: Final = 0


@dataclass(frozen=True, slots=True)
class Handover:
    """What a worker is started with: the files to follow, and what is wrong with those that came after them."""

    files: Files
    problems: list[str]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Observation).decode
_decode_files = msgspec.json.Decoder(Files).decode
_decode_handover = msgspec.json.Decoder(Handover).decode


def line_to_parent() -> tuple[socket.socket, Handover]:
    """The worker's end, and what the parent hands over; waits for it.

    Raises:
        ConnectionError: the parent has ended.

    """
    line = socket.socket(fileno=_STDIN)
    length = int.from_bytes(_received(line, _LENGTH_BYTES), "big")
    handover = _decode_handover(_received(line, length))
    line.setblocking(False)
    return line, handover


async def answer_parent(
    line: socket.socket, observe: Callable[[], Observation], take: Callable[[Files], None]
) -> None:
    """Answer every question, and `take` changed files, until the parent has ended."""
    reader, writer = await asyncio.open_connection(sock=line, limit=_LINE_BYTES_MAX)
    try:
        while told := (await reader.readline()).strip():
            if told.isdigit():
                writer.write(told + b" " + _encode(observe()) + b"\n")
                await writer.drain()
            else:
                take(_decode_files(told))
    except ConnectionError:
        return
    finally:
        writer.close()


class WorkerLine:
    """The parent's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.has_answered = False
        """Whether the worker has answered at all: until then it is being started."""
        self._asked = 0
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def over(cls, line: socket.socket) -> WorkerLine:
        """Ask over one end of a pair."""
        return cls(*await asyncio.open_connection(sock=line, limit=_LINE_BYTES_MAX))

    def hand_over(self, handover: Handover) -> None:
        """Tell a worker that is started what to begin with; before all else."""
        encoded = _encode(handover)
        self._writer.write(len(encoded).to_bytes(_LENGTH_BYTES, "big") + encoded)

    def tell(self, files: Files) -> None:
        """Tell a worker that runs of changed files."""
        self._writer.write(_encode(files) + b"\n")

    async def ask(self) -> Observation:
        """What the worker tells now. May be cancelled: a late answer is passed over by the next question.

        Raises:
            ConnectionError: the worker has ended.

        """
        async with self._one_at_a_time:
            self._asked += 1
            number = b"%d" % self._asked
            self._writer.write(number + b"\n")
            await self._writer.drain()
            while answer := await self._reader.readline():
                of, _, told = answer.partition(b" ")
                if of == number:
                    self.has_answered = True
                    return _decode(told)
            raise ConnectionResetError("the worker has ended")

    def close(self) -> None:
        """End the line; a worker that is there drains and ends."""
        self._writer.close()


def _received(line: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = line.recv(length - len(received))
        if not part:
            raise ConnectionResetError("the parent has ended")
        received += part
    return bytes(received)
