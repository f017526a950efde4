"""A worker's end of the pair of sockets between it and the parent that started it.

No other process can reach the pair. The worker's end is its standard input; it closes when the parent ends, however the
parent ends.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from processor.service.messages import (
    Answer,
    Ending,
    FrameReader,
    Handover,
    Question,
    decode_to_worker,
    frame,
    receive_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.configuration import Files
    from processor.telemetry.report import Observation

_STDIN: Final = 0
_TELL_S: Final = 1.0


class Parent:
    """The parent of worker number `worker`; `line` is the worker's end of the pair, a blocking socket."""

    def __init__(self, worker: int, line: socket.socket) -> None:
        self.worker = worker
        self._line = line
        self._kept_open = line.dup()
        """For the last words: by then the line is closed."""

    @classmethod
    def on_stdin(cls, worker: int) -> Parent:
        """Return the parent that holds the other end of this process's standard input."""
        return cls(worker, socket.socket(fileno=_STDIN))

    def handover(self) -> Handover:
        """Wait for what the parent hands over before it sends anything else.

        Raises:
            ConnectionError: the parent has ended.

        """
        message = decode_to_worker(receive_frame(self._line))
        if not isinstance(message, Handover):
            raise ConnectionAbortedError("the parent has handed nothing over")
        return message

    async def answer(self, observe: Callable[[], Observation], take: Callable[[Files], None]) -> None:
        """Answer every question with what `observe` returns, and `take` changed files, until the parent has ended."""
        self._line.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=self._line)
        frames = FrameReader(reader)
        try:
            while True:
                message = decode_to_worker(await frames.read())
                if isinstance(message, Question):
                    writer.write(frame(Answer(message.number, observe())))
                    await writer.drain()
                else:
                    take(message.files)
        except ConnectionError:
            return
        finally:
            writer.close()

    def tell_why(self, reasons: Sequence[str]) -> None:
        """Tell the parent why the worker ends; where that does not succeed, the log alone has it."""
        self._kept_open.settimeout(_TELL_S)
        with suppress(OSError):
            self._kept_open.sendall(frame(Ending(list(reasons))))

    def close(self) -> None:
        """Close what is kept open for the last words."""
        self._kept_open.close()
