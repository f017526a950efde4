"""POST requests over aiohttp's connections, against servers that answer as a script says, byte for byte."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
import trustme
from aiohttp.http import HttpProcessingError
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from processor.kinesis.answer_protocol import AnswerProtocol, Posted
from processor.kinesis.quick_post import QuickPost
from processor.profile.structs import Export
from tests.kinesis.servers import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


HEADERS = {"X-Amz-Target": "Kinesis_20131202.PutRecords", "Content-Length": "2"}


class Server:
    """Answers the requests of each connection with what stands next in `answers`; None ends the connection."""

    def __init__(self, answers: list[bytes | None]) -> None:
        self.answers = answers
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = URL()
        self.reads_bodies = True
        self.is_done = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if not self.reads_bodies:
                    writer.write(self.answers.pop(0) or b"")
                    await self.is_done.wait()
                    break
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                if b"Content-Length" not in answer and b"chunked" not in answer:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served(
    *answers: bytes | None, read_s: float = 5.0, tls: bool = False
) -> AsyncIterator[tuple[Server, QuickPost]]:
    server = Server(list(answers))
    of_server, of_client = certified() if tls else (None, None)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=of_server) as listening:
        port = listening.sockets[0].getsockname()[1]
        scheme = "https" if tls else "http"
        server.url = URL(f"{scheme}://127.0.0.1:{port}/behind/a%20gateway?x=1", encoded=True)
        timeout = aiohttp.ClientTimeout(sock_connect=5, sock_read=read_s)
        connector = aiohttp.TCPConnector(ssl=of_client or True)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as session:
            yield server, QuickPost(session)


def certified() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context and one of a client that trusts it."""
    ca = trustme.CA()
    of_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(of_server)
    of_client = ssl.create_default_context()
    ca.configure_trust(of_client)
    return of_server, of_client


def ok(body: bytes = b"{}", more: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), more, body)


async def post(server: Server, quick: QuickPost) -> Posted:
    return await quick.send(server.url, HEADERS, b"{}")


async def test_what_is_sent_is_the_request_and_its_host() -> None:
    async with served(ok(b'{"Records":[]}')) as (server, quick):
        answer = await post(server, quick)
    lines = server.requests[0].decode().split("\r\n")
    assert lines[0] == "POST /behind/a%20gateway?x=1 HTTP/1.1"
    assert lines[1] == f"Host: 127.0.0.1:{server.url.port}"
    assert lines[2:4] == ["X-Amz-Target: Kinesis_20131202.PutRecords", "Content-Length: 2"]
    assert lines[4:] == ["Accept-Encoding: identity", "", "{}"]
    assert (answer.status, answer.body) == (200, b'{"Records":[]}')
    assert answer.headers["content-length"] == "14"


async def test_a_connection_serves_one_request_after_the_other() -> None:
    async with served(ok(), ok(), ok()) as (server, quick):
        for _ in range(3):
            await post(server, quick)
        assert server.connections == 1


async def test_requests_at_once_have_connections_of_their_own() -> None:
    async with served(ok(), ok()) as (server, quick):
        await asyncio.gather(post(server, quick), post(server, quick))
        assert server.connections == 2


async def test_a_connection_that_is_to_be_closed_is_used_no_more() -> None:
    async with served(ok(more=b"Connection: close\r\n"), ok()) as (server, quick):
        await post(server, quick)
        await post(server, quick)
        assert server.connections == 2


async def test_a_connection_is_used_no_more_once_more_than_the_answer_came() -> None:
    async with served(ok() + ok(b"of nothing"), ok(b"[]")) as (server, quick):
        answers = [await post(server, quick) for _ in range(2)]
        assert ([answer.body for answer in answers], server.connections) == ([b"{}", b"[]"], 2)


@pytest.mark.parametrize("line", ["garbage", "Date:\0", "Date\0:x"])
async def test_what_is_no_http_is_not_told_at_a_glance(line: str) -> None:
    protocol = AnswerProtocol(asyncio.get_running_loop())
    at_a_glance = protocol.expect(None)
    protocol.data_received(f"HTTP/1.1 200 OK\r\n{line}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    assert await at_a_glance is None
    with pytest.raises(HttpProcessingError):
        await protocol.read()


@given(st.data())
def test_an_answer_is_told_at_a_glance_where_aiohttp_says_the_same(data: st.DataObject) -> None:
    names = st.sampled_from(["Content-Length", "content-length", "Connection", "Date", "Bad Name", "", "X-Y"])
    values = st.sampled_from(
        ["2", " 2", "2 ", "+2", "02", "3", "close", "keep-alive", "a\tb", "\x00", "\n", "ä"]
    )
    colon = st.sampled_from([":", ":", ":", ""])
    headers = data.draw(st.lists(st.tuples(names, colon, values), max_size=4))
    lines = "".join(f"{''.join(parts)}\r\n" for parts in [*headers, ("Content-Length", ":", "2")])
    whole = f"HTTP/1.1 200 OK\r\n{lines}\r\n{{}}".encode()

    async def both() -> None:
        protocol = AnswerProtocol(asyncio.get_running_loop())
        at_a_glance = protocol.expect(None)
        protocol.data_received(whole)
        if (ordinary := await at_a_glance) is None:
            return
        by_aiohttp = protocol.expect(None)
        protocol.data_received(whole[:1])
        protocol.data_received(whole[1:])
        assert await by_aiohttp is None
        message, payload = await protocol.read()
        found = {name.decode().lower(): value.decode() for name, value in message.raw_headers}
        assert ordinary == (message.code, found, await payload.read())
        assert not protocol.should_close

    asyncio.run(both())


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, b"{}"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil its end", 200, b"until its end"),
        (b"HTTP/1.1 102 Processing\r\n\r\n" + ok(), 200, b"{}"),
        (
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
            307,
            b"",
        ),
        (b"HTTP/1.1 503 Slow Down\r\nContent-Length: 4\r\n\r\nbusy", 503, b"busy"),
        (ok(b"\x1f\x8b\x08", b"Content-Encoding: gzip\r\n"), 200, b"\x1f\x8b\x08"),
        (ok(b"", b"Server: \xc3\xa4\r\n"), 200, b""),
        (ok(b"x" * 600_000), 200, b"x" * 600_000),
    ],
    ids=[
        "in chunks",
        "without a length",
        "after an informational one",
        "a redirect",
        "an error",
        "compressed",
        "with a header that is not ASCII",
        "in several reads",
    ],
)
async def test_an_answer_is_returned_as_it_came(answer: bytes, status: int, body: bytes) -> None:
    async with served(answer) as (server, quick):
        answered = await post(server, quick)
        assert (answered.status, answered.body) == (status, body)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, aiohttp.ServerDisconnectedError),
        (b"HTTP/1.1 200 OK\r\nCONTENT-LENGTH : 9\r\n\r\n{", aiohttp.ClientError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n9\r\n{", aiohttp.ClientPayloadError),
        (b"this is no HTTP\r\n\r\n", aiohttp.ClientResponseError),
    ],
    ids=["none", "a header that is none", "one that breaks off", "one that is not HTTP"],
)
async def test_no_answer_is_the_error_that_aiohttp_has_for_it(
    answer: bytes | None, error: type[Exception]
) -> None:
    async with served(answer, ok()) as (server, quick):
        with pytest.raises(error):
            await post(server, quick)
        # Whatever it was, that connection is not used again.
        await post(server, quick)
        assert server.connections == 2


async def test_an_answer_that_does_not_come_in_time_ends_the_wait() -> None:
    pending = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"
    async with served(pending, ok(), read_s=0.5) as (server, quick):
        with pytest.raises(aiohttp.SocketTimeoutError):
            await post(server, quick)
        await post(server, quick)
        assert server.connections == 2


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_an_answer_before_the_body_is_read_is_the_answer(tls: bool) -> None:
    refused = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"
    async with served(refused, ok(), tls=tls) as (server, quick):
        server.reads_bodies = False
        body = b"x" * 8_000_000
        answered = await quick.send(server.url, {"Content-Length": str(len(body))}, body)
        assert (answered.status, answered.body) == (413, b"big")
        # What is left of the body must not stand before another request.
        server.reads_bodies = True
        assert (await post(server, quick)).status == 200
        assert server.connections == 2
        server.is_done.set()


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(("status", "size"), [(200, 8_000_000), (200, 2), (400, 2), (503, 2)])
async def test_a_connection_that_has_taken_all_is_used_again(tls: bool, status: int, size: int) -> None:
    answer = ok().replace(b"200", b"%d" % status)
    async with served(answer, answer, tls=tls) as (server, quick):
        for _ in range(2):
            body = b"x" * size
            assert (await quick.send(server.url, {"Content-Length": str(size)}, body)).status == status
        assert server.connections == 1
        assert [request.endswith(b"\r\n\r\n" + body) for request in server.requests] == [True, True]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_a_body_that_nobody_reads_ends_with_its_connection(tls: bool) -> None:
    async with served(b"", ok(), tls=tls) as (server, quick):
        server.reads_bodies = False
        server.is_done.set()
        with pytest.raises((aiohttp.ClientError, OSError)):
            await quick.send(server.url, {"Content-Length": "8000000"}, b"x" * 8_000_000)
        server.reads_bodies = True
        assert (await post(server, quick)).status == 200


async def test_a_server_that_is_not_there_cannot_be_connected_to() -> None:
    async with served() as (server, quick):
        gone = server.url
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await QuickPost(session).send(gone, HEADERS, b"{}")
    assert quick is not None


@pytest.mark.parametrize("value", ["a\r\nHost: elsewhere", "a\nb", "a\rb"])
async def test_a_header_with_a_line_break_is_not_sent(value: str) -> None:
    async with served() as (server, quick):
        with pytest.raises(ValueError, match="line break"):
            await quick.send(server.url, {**HEADERS, "User-Agent": value}, b"{}")
        assert not server.requests


async def test_a_call_that_is_cancelled_closes_its_connection() -> None:
    async with served(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", ok()) as (server, quick):
        task = asyncio.create_task(post(server, quick))
        while not server.requests:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await post(server, quick)
        assert server.connections == 2


async def test_by_way_of_a_proxy_the_call_is_made_as_proxies_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = b'{"FailedRecordCount":0,"Records":[{"ShardId":"s","SequenceNumber":"1"}]}'
    async with served(ok(stored)) as (proxy, _):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.url.port}")
        async with opened("http://kinesis.example:8080", "exports") as stream:
            answer = await stream.put([Export(b"p", "p", b"{}")])
    assert answer.failed == 0
    lines = proxy.requests[0].decode().split("\r\n")
    assert lines[0] == "POST http://kinesis.example:8080/ HTTP/1.1"
    assert "Host: kinesis.example:8080" in lines
