"""The parent's end of the pair of sockets between it and one worker: what it hands over, its questions, their answers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

import msgspec

from processor.service.messages import (
    ChangedFiles,
    Ending,
    FrameReader,
    Question,
    decode_from_worker,
    frame,
)

if TYPE_CHECKING:
    import socket

    from processor.configuration import Files
    from processor.service.messages import Handover
    from processor.telemetry.report import Observation


_LAST_WORDS_S: Final = 1.0


class WorkerConnection:
    """The line to one worker, over its whole life; the worker ends with it."""

    def __init__(
        self, reader: asyncio.StreamReader, hearing: asyncio.Transport, writer: asyncio.StreamWriter
    ) -> None:
        self._frames = FrameReader(reader)
        self._hearing = hearing
        self._writer = writer
        self._has_answered = False
        self._asked = 0
        self._last_words: list[str] = []
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def over(cls, line: socket.socket) -> WorkerConnection:
        """Return a line over one end of a pair, on which nothing was said yet."""
        # A transport that fails to write forgets what it has received: each direction has one of its own.
        reader = asyncio.StreamReader()
        hearing, _ = await asyncio.get_running_loop().create_connection(
            lambda: _Hearing(reader), sock=line.dup()
        )
        _, writer = await asyncio.open_connection(sock=line)
        cast("asyncio.Transport", writer.transport).pause_reading()
        return cls(reader, hearing, writer)

    @property
    def has_answered(self) -> bool:
        """Whether the worker has answered at all: until then it is being started."""
        return self._has_answered

    def hand_over(self, handover: Handover) -> None:
        """Send what the worker is started with; before all else."""
        self._writer.write(frame(handover))

    def send(self, files: Files) -> None:
        """Have the worker take changed files."""
        self._writer.write(frame(ChangedFiles(files)))

    async def ask(self) -> Observation:
        """Return the worker's observation of itself, as of now.

        May be cancelled: the answer that comes late is passed over by the next question.

        Raises:
            ConnectionError: the worker has ended.

        """
        async with self._one_at_a_time:
            self._asked += 1
            number = self._asked
            self._writer.write(frame(Question(number)))
            await self._writer.drain()
            while True:
                answer = decode_from_worker(await self._frames.read())
                if isinstance(answer, Ending):
                    self._last_words = answer.reasons
                elif answer.number == number:
                    self._has_answered = True
                    return answer.observation

    async def last_words(self) -> list[str]:
        """Why the worker has ended, once it has, as it said itself; nothing where it could not."""
        # A frame that was begun may never end.
        with suppress(TimeoutError, ConnectionError, msgspec.MsgspecError):
            async with asyncio.timeout(_LAST_WORDS_S), self._one_at_a_time:
                while not self._last_words:
                    message = decode_from_worker(await self._frames.read())
                    if isinstance(message, Ending):
                        self._last_words = message.reasons
        return self._last_words

    def close(self) -> None:
        """Close this end; a worker that is there drains and ends."""
        self._writer.close()
        self._hearing.close()


class _Hearing(asyncio.Protocol):
    """Takes what comes to the last byte: however the line ends, what came before is still to be read."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._reader.set_transport(transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed_data(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._reader.feed_eof()
