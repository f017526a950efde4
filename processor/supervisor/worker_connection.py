"""The parent's end of the pair of sockets between it and one worker: what it hands over, its questions, their answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from processor.service.messages import ChangedFiles, FrameReader, Question, decode_answer, frame

if TYPE_CHECKING:
    import socket

    from processor.configuration import Files
    from processor.service.messages import Handover
    from processor.telemetry.report import Observation


class WorkerConnection:
    """The line to one worker, over its whole life; the worker ends with it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._frames = FrameReader(reader)
        self._writer = writer
        self._has_answered = False
        self._asked = 0
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def over(cls, line: socket.socket) -> WorkerConnection:
        """Return a line over one end of a pair."""
        return cls(*await asyncio.open_connection(sock=line))

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
                answer = decode_answer(await self._frames.read())
                if answer.number == number:
                    self._has_answered = True
                    return answer.observation

    def close(self) -> None:
        """Close this end; a worker that is there drains and ends."""
        self._writer.close()
