"""What a broker sends, read into the place where aiokafka takes it from.

aiokafka reads through asyncio's stream reader: what comes is made `bytes`, which extend a buffer that grows by an eighth and
is moved then; a response is copied out of it twice, and what is left moved to the front. Here it is cut into frames as it is read:
0.97 of the CPU an event, with fetches of 1 MiB a partition 0.90 ("What was tried" in docs/performance.md).

aiokafka has no place to hand in another way, so `read_whole_responses` puts two classes of its module in the place of
the ones there. To aiokafka all is as before: responses in their order, and then the end of the connection, or its error.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from aiokafka import conn

from processor.kafka.frames import Frames

if TYPE_CHECKING:
    from weakref import ReferenceType

_STREAM: Final = conn.AIOKafkaProtocol
_WAITING_BYTES: Final = 2 * conn.READER_LIMIT
"""As much as asyncio's reader has wait before it reads no further."""


def read_whole_responses() -> None:
    """Have all clients of this process read so; harmless to call again."""
    conn.AIOKafkaProtocol = _Responses
    conn.AIOKafkaConnection = _Connection


class _Responses(asyncio.BufferedProtocol):
    """The responses on a connection. aiokafka's own protocol, and by it the stream reader, is told of all but their bytes."""

    def __init__(
        self, closed: asyncio.Future[None], reader: asyncio.StreamReader, *, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._stream = _STREAM(closed, reader, loop=loop)
        self._reader = reader
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._frames = Frames()

    @property
    def has_next(self) -> bool:
        """Whether there is a response that was not taken yet."""
        return bool(self._frames)

    async def next(self) -> bytes:
        """The next response.

        Raises:
            IncompleteReadError: the connection has ended.
            ValueError: the next one has a negative length.
            Exception: what the connection was lost by; what waits is lost with it, as it is in the stream reader.

        """
        while not self._frames or self._reader.exception() is not None:
            self._raise_end()
            self._resume()
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        response = self._frames.take()
        if self._frames.waiting_bytes <= _WAITING_BYTES:
            self._resume()
        return response

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  what is missing is known
        """See `asyncio.BufferedProtocol`."""
        return self._frames.room

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._frames.came(nbytes)
        self._tell()

    def decrypted(self, data: bytes) -> None:
        """These bytes came, by TLS."""
        rest = memoryview(data)
        while rest:
            room = self._frames.room
            count = min(len(rest), len(room))
            room[:count] = rest[:count]
            del room
            rest = rest[count:]
            self._frames.came(count)
        self._tell()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)
        if transport.get_extra_info("sslcontext") is not None:
            self._transport.set_protocol(_Decrypted(self))
        self._stream.connection_made(transport)

    def eof_received(self) -> bool:
        """See `asyncio.BufferedProtocol`."""
        is_kept_open = bool(self._stream.eof_received())
        self._wake()
        return is_kept_open

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._stream.connection_lost(exc)
        self._transport = None
        self._wake()

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._stream.resume_writing()

    # asyncio's stream writer asks its protocol by these two names.

    async def _drain_helper(self) -> None:
        await self._stream._drain_helper()  # noqa: SLF001  as above

    def _get_close_waiter(self, writer: asyncio.StreamWriter) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = self._stream._get_close_waiter(writer)  # noqa: SLF001  as above
        return waiter

    def _tell(self) -> None:
        if self._frames or self._frames.refused is not None:
            self._wake()
        if (
            self._frames.waiting_bytes > _WAITING_BYTES
            and not self._is_paused
            and self._transport is not None
        ):
            self._is_paused = True
            self._transport.pause_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def _raise_end(self) -> None:
        error = self._reader.exception() or self._frames.refused
        if error is not None:
            raise error
        if self._reader.at_eof():
            raise asyncio.IncompleteReadError(*self._frames.unfinished)


class _Decrypted(asyncio.Protocol):
    """What TLS tells its protocol. Into another's buffer it writes what fits, and drops the rest where the server ends just then."""

    def __init__(self, responses: _Responses) -> None:
        self._responses = responses

    def data_received(self, data: bytes) -> None:
        self._responses.decrypted(data)

    def eof_received(self) -> bool:
        return self._responses.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._responses.connection_lost(exc)

    def pause_writing(self) -> None:
        self._responses.pause_writing()

    def resume_writing(self) -> None:
        self._responses.resume_writing()


class _Connection(conn.AIOKafkaConnection):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's connection, which takes responses whole."""

    _protocol: _Responses | None

    def connected(self) -> bool:
        """Whether responses may still come: also where the server has ended the connection, and one waits."""
        waits = self._reader is not None and self._protocol is not None and self._protocol.has_next
        return waits or bool(super().connected())

    @staticmethod
    async def _read(self_ref: ReferenceType[Any]) -> None:
        connection = self_ref()
        if connection is None:
            return
        responses = connection._protocol  # noqa: SLF001  its own
        del connection  # where nobody else holds it, it is to close itself
        while True:
            response = await responses.next()
            connection = self_ref()
            if connection is None:
                return
            connection._handle_frame(response)  # noqa: SLF001  its own
            del connection, response
