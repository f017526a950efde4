"""A POST over aiohttp's connections, without what its client does for requests of every kind.

A call of one record costs 0.75 of the CPU that it costs by `ClientSession.request`, signature and body included. It is what
a profile's records wait for that go one after the other, each in a call of its own. aiohttp makes the connections, keeps them, and
reads answers; what it raises is what its client raises. No redirect is followed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from aiohttp import (
    ClientConnectionResetError,
    ClientError,
    ClientRequest,
    ClientResponseError,
    ConnectionTimeoutError,
    RequestInfo,
    StreamReader,
)
from aiohttp.http import HttpProcessingError, StreamWriter
from multidict import CIMultiDict, CIMultiDictProxy

from processor.kinesis.answer_protocol import AnswerProtocol, Posted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import BaseConnector, ClientSession
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from yarl import URL

_INFORMATIONAL: Final = range(100, 200)
_SWITCHING: Final = 101
_OK: Final = 200
_SENT_AT_ONCE_BYTES: Final = 16 * 1024
"""As much the system takes from a connection that has nothing else to send."""


class QuickPost:
    """Sends POST requests by the connections of one session."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        if session.connector is not None:
            make = partial(AnswerProtocol, loop=asyncio.get_running_loop())
            # aiohttp has no setting for it.
            session.connector._factory = cast("partial[ResponseHandler]", make)  # noqa: SLF001
        self._places: dict[URL, ClientRequest] = {}

    async def send(self, url: URL, headers: Mapping[str, str], body: bytes) -> Posted:
        """Send a request whose headers are all there but for `Host`, and return its answer.

        Raises:
            aiohttp.ClientError, OSError, TimeoutError: there was no answer, or none that is HTTP.

        """
        place = self._places.get(url)
        if place is None:
            place = self._places[url] = ClientRequest("POST", url, loop=asyncio.get_running_loop())
        connection = await self._connected(place)
        is_free = False
        try:
            answer = await _answered(connection, place, _head(place, headers), body, self._read_timeout_s)
            is_free = _is_sent(connection, place, answer, body)
        finally:
            if is_free:
                connection.release()
            else:
                connection.close()
        return answer

    @property
    def _read_timeout_s(self) -> float | None:
        return self._session.timeout.sock_read

    async def _connected(self, place: ClientRequest) -> Connection:
        connector: BaseConnector | None = self._session.connector
        if connector is None:
            raise ClientError("the session is closed")
        try:
            return await connector.connect(place, traces=[], timeout=self._session.timeout)
        except TimeoutError as error:
            raise ConnectionTimeoutError(f"Connection timeout to host {place.url}") from error


def _head(place: ClientRequest, headers: Mapping[str, str]) -> bytes:
    lines = [f"POST {place.url.raw_path_qs} HTTP/1.1", f"Host: {place.headers['Host']}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append("Accept-Encoding: identity")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise ValueError("a header has a line break")
    return f"{text}\r\n\r\n".encode()


async def _answered(
    connection: Connection, place: ClientRequest, head: bytes, body: bytes, read_timeout_s: float | None
) -> Posted:
    protocol = connection.protocol
    if not isinstance(protocol, AnswerProtocol):
        raise ClientError("the connection was released")
    transport = protocol.transport
    # What came while nobody asked would be taken for the answer; aiohttp looks for that as a connection is given back alone.
    if transport is None or transport.is_closing() or protocol.should_close:
        raise ClientConnectionResetError("the connection was closed")
    expected = protocol.expect(read_timeout_s)
    transport.writelines((head, body))
    sending: asyncio.Task[None] | None = None
    if protocol.writing_paused:
        # What refuses a body for its size answers before it has read it, and may never read it: so does a gateway.
        sending = asyncio.create_task(_sent(protocol))
    else:
        protocol.start_timeout()
    try:
        return await expected or await _read(protocol, place)
    finally:
        if sending is not None:
            sending.cancel()


async def _sent(protocol: AnswerProtocol) -> None:
    """Have the wait for an answer begin when all is sent."""
    with suppress(ClientError, OSError):  # whoever reads the answer meets it as well
        await StreamWriter(protocol, asyncio.get_running_loop()).drain()
        protocol.start_timeout()


async def _read(protocol: AnswerProtocol, place: ClientRequest) -> Posted:
    payload: StreamReader
    while True:
        try:
            message, payload = await protocol.read()
        except HttpProcessingError as error:
            raise ClientResponseError(
                _about(place), (), status=error.code, message=error.message, headers=error.headers
            ) from error
        if message.code not in _INFORMATIONAL or message.code == _SWITCHING:
            headers = {name.decode().lower(): value.decode() for name, value in message.raw_headers}
            return Posted(message.code, headers, await payload.read())


def _is_sent(connection: Connection, place: ClientRequest, answer: Posted, body: bytes) -> bool:
    """Whether the server has taken all of a request that it has answered.

    What is encrypted lies where no transport of TLS', asyncio's or uvloop's, says how much it is. An answer of 200 comes after the body.
    """
    if place.is_ssl():
        return answer.status == _OK or len(body) <= _SENT_AT_ONCE_BYTES
    return connection.transport is None or not connection.transport.get_write_buffer_size()


def _about(place: ClientRequest) -> RequestInfo:
    return RequestInfo(place.url, "POST", CIMultiDictProxy(CIMultiDict()), place.url)
