"""The line between a parent and a worker: a pair of sockets that no other process can reach.

The parent asks with a line that holds a number; the worker answers with that number and one line of JSON. The
worker's end is its standard input, and the end of the line is the end of the parent.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

import msgspec

from processor.telemetry.report import Observation

if TYPE_CHECKING:
    from collections.abc import Callable

_ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
_STDIN: Final = 0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Observation).decode


def line_to_parent() -> socket.socket:
    """The worker's end."""
    line = socket.socket(fileno=_STDIN)
    line.setblocking(False)
    return line


async def answer_parent(line: socket.socket, observe: Callable[[], Observation]) -> None:
    """Answer every question, until the parent has ended."""
    reader, writer = await asyncio.open_connection(sock=line)
    try:
        while number := (await reader.readline()).strip():
            writer.write(number + b" " + _encode(observe()) + b"\n")
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()


class WorkerLine:
    """The parent's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked = 0
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def over(cls, line: socket.socket) -> WorkerLine:
        """Ask over one end of a pair."""
        return cls(*await asyncio.open_connection(sock=line, limit=_ANSWER_BYTES_MAX))

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
                    return _decode(told)
            raise ConnectionResetError("the worker has ended")

    def close(self) -> None:
        """End the line; a worker that is there drains and ends."""
        self._writer.close()
