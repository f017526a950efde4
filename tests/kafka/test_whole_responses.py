"""Connections of aiokafka that read responses whole keep what it relies on: order, ends, errors, and back-pressure."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import weakref
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import uvloop
from aiokafka import conn
from aiokafka import errors as kafka
from aiokafka.protocol.admin import ApiVersionRequest, ApiVersionResponse_v0

from processor.kafka import whole_responses as reading
from processor.kafka.whole_responses import read_whole_responses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

SIZES = [0, 1, 4_092, 4_093, 300_000, 3, 2 << 20, 20, 100_000, 7]
LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]


@pytest.fixture(autouse=True)
def _in_place() -> None:
    read_whole_responses()


class Transport(asyncio.Transport):
    """Says what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.is_closed = False

    def pause_reading(self) -> None:
        self.asked.append("pause")

    def resume_reading(self) -> None:
        self.asked.append("resume")

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


class Connection:
    """The protocol on a transport that is scripted."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.closed = loop.create_future()
        self.reader = asyncio.StreamReader(limit=conn.READER_LIMIT, loop=loop)
        self.protocol = conn.AIOKafkaProtocol(self.closed, self.reader, loop=loop)
        self.transport = Transport()
        self.protocol.connection_made(self.transport)
        self.writer = asyncio.StreamWriter(self.transport, self.protocol, self.reader, loop)

    def came(self, text: bytes) -> None:
        while text:
            room = self.protocol.get_buffer(-1)
            count = min(len(room), len(text))
            room[:count], text = text[:count], text[count:]
            self.protocol.buffer_updated(count)


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    made = Connection()
    yield made
    made.writer.close()


def framed(*frames: bytes) -> bytes:
    return b"".join(struct.pack(">i", len(frame)) + frame for frame in frames)


async def turn() -> None:
    await asyncio.sleep(0)


async def test_a_response_is_awaited_and_several_of_one_read_come_in_order(connection: Connection) -> None:
    first = asyncio.ensure_future(connection.protocol.next())
    await turn()
    connection.came(framed(b"one", b"two", b""))
    assert [await first, await connection.protocol.next(), await connection.protocol.next()] == [
        b"one",
        b"two",
        b"",
    ]


async def test_who_gives_up_waiting_loses_nothing(connection: Connection) -> None:
    given_up = asyncio.ensure_future(connection.protocol.next())
    await turn()
    connection.came(framed(b"one")[:5])
    given_up.cancel()
    await asyncio.wait([given_up])
    connection.came(framed(b"one")[5:])
    assert given_up.cancelled()
    assert await connection.protocol.next() == b"one"


async def test_an_end_comes_after_what_was_sent_before_it(connection: Connection) -> None:
    connection.came(framed(b"one") + framed(b"two")[:6])
    connection.protocol.eof_received()
    assert await connection.protocol.next() == b"one"
    with pytest.raises(asyncio.IncompleteReadError) as ended:
        await connection.protocol.next()
    assert (ended.value.partial, ended.value.expected) == (b"tw", 3)


@pytest.mark.parametrize("waits", [True, False])
async def test_an_end_is_told_to_who_waits(connection: Connection, waits: bool) -> None:
    waiting = asyncio.ensure_future(connection.protocol.next())
    if waits:
        await turn()
    connection.protocol.connection_lost(None)
    with pytest.raises(asyncio.IncompleteReadError):
        await waiting
    assert connection.closed.done()
    await connection.writer.wait_closed()


async def test_an_error_comes_before_all_as_it_does_in_the_stream_reader(connection: Connection) -> None:
    connection.came(framed(b"one"))
    connection.protocol.connection_lost(ConnectionResetError("gone"))
    with pytest.raises(ConnectionResetError, match="gone"):
        await connection.protocol.next()
    with pytest.raises(ConnectionResetError, match="gone"):
        await connection.writer.drain()
    assert connection.closed.done()


async def test_a_length_that_is_negative_is_an_error_after_what_came_before(connection: Connection) -> None:
    connection.came(framed(b"one") + struct.pack(">i", -1))
    assert await connection.protocol.next() == b"one"
    with pytest.raises(ValueError, match="-1 bytes"):
        await connection.protocol.next()


async def test_no_more_is_read_than_waits_until_it_is_taken(connection: Connection) -> None:
    large = bytes(reading._WAITING_BYTES)
    connection.came(framed(large))
    assert connection.transport.asked == []
    connection.came(framed(b"one"))
    assert connection.transport.asked == ["pause"]
    connection.came(framed(b"two"))
    await connection.protocol.next()
    assert connection.transport.asked == ["pause", "resume"]


async def test_a_writer_waits_until_the_transport_has_room(connection: Connection) -> None:
    connection.protocol.pause_writing()
    draining = asyncio.ensure_future(connection.writer.drain())
    await turn()
    assert not draining.done()
    connection.protocol.resume_writing()
    await draining


def in_loop(new_loop: Callable[[], asyncio.AbstractEventLoop], work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(bounded())


@asynccontextmanager
async def broker(answers: Callable[[int], bytes], tls: Any = None) -> AsyncIterator[int]:
    """A server that answers each request by its number, from 0 on; then, to an empty answer, ends the connection."""

    serving = list[asyncio.Task[None]]()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(serve(reader, writer)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        while True:
            try:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                request = await reader.readexactly(size)
            except asyncio.IncompleteReadError:
                break
            answer = answers(number)
            if not answer:
                break
            writer.write(answer.replace(b"CORR", request[4:8]))
            number += 1
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*serving)


VERSIONS = framed(b"CORR" + ApiVersionResponse_v0(0, [(18, 0, 0)]).encode())


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
def test_responses_of_any_size_come_through_a_connection(
    new_loop: Callable[[], asyncio.AbstractEventLoop], is_tls: bool
) -> None:
    authority = trustme.CA()
    serving = connecting = None
    if is_tls:
        serving, connecting = (
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
            ssl.create_default_context(),
        )
        authority.issue_cert("127.0.0.1").configure_cert(serving)
        authority.configure_trust(connecting)
    sent = [bytes([number]) * size for number, size in enumerate(SIZES)]

    async def work() -> None:
        async with broker(lambda number: framed(sent[number - 1]) if number else VERSIONS, serving) as port:
            protocol = "SSL" if is_tls else "PLAINTEXT"
            connection = await conn.create_conn(
                "127.0.0.1", port, ssl_context=connecting, security_protocol=protocol
            )
            assert isinstance(connection, reading._Connection)
            got = [await connection._send_sasl_token(b"") for _ in sent]
            assert got == sent
            await connection.close()

    in_loop(new_loop, work)


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("sizes", [[100, 200], [10_000, 10_000], [100_000, 5]])
def test_what_came_by_tls_before_an_abrupt_end_is_not_dropped(
    new_loop: Callable[[], asyncio.AbstractEventLoop], sizes: list[int]
) -> None:
    authority = trustme.CA()
    serving, connecting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(connecting)
    sent = [bytes(size) for size in sizes]

    def serve() -> None:
        accepted, _ = listener.accept()
        with serving.wrap_socket(accepted, server_side=True) as tls:
            tls.sendall(framed(*sent))
            tls.shutdown(socket.SHUT_WR)  # without TLS' own end, as a process that dies
            left.wait()

    async def work() -> None:
        loop = asyncio.get_running_loop()
        reader, closed = asyncio.StreamReader(loop=loop), loop.create_future()
        protocol = conn.AIOKafkaProtocol(closed, reader, loop=loop)
        address = listener.getsockname()
        serving_it = loop.run_in_executor(None, serve)
        try:
            transport, _ = await loop.create_connection(lambda: protocol, *address, ssl=connecting)
            assert [await protocol.next() for _ in sent] == sent
            with pytest.raises(asyncio.IncompleteReadError):
                await protocol.next()
            transport.close()
        finally:
            left.set()
            await serving_it

    left = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        in_loop(new_loop, work)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_server_that_ends_the_connection_fails_what_was_asked(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def work() -> None:
        async with broker(lambda number: b"" if number else VERSIONS) as port:
            connection = await conn.create_conn("127.0.0.1", port)
            assert connection.connected()
            with pytest.raises(kafka.KafkaConnectionError):
                await connection.send(ApiVersionRequest())
            assert not connection.connected()

    in_loop(new_loop, work)


async def test_a_connection_is_connected_as_long_as_a_response_waits() -> None:
    async with broker(lambda number: b"" if number else VERSIONS) as port:
        connection = await conn.create_conn("127.0.0.1", port)
        protocol, transport = connection._protocol, connection._writer.transport
        transport.pause_reading()
        asked = connection._send_sasl_token(b"")
        room = protocol.get_buffer(-1)
        room[:7] = framed(b"one")
        protocol.buffer_updated(7)
        protocol.eof_received()
        assert connection.connected()
        assert await asked == b"one"
        assert not connection.connected()


async def test_a_connection_that_nobody_holds_is_closed() -> None:
    async with broker(lambda _: VERSIONS) as port:
        connection = await conn.create_conn("127.0.0.1", port)
        left, closed = weakref.ref(connection), connection._closed_fut
        holder = [connection]
        del connection
        with pytest.warns(ResourceWarning):
            holder.clear()
        assert left() is None
        await closed
