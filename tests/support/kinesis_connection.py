"""A connection to an endpoint that answers by a script."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


GOOD = {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"}]}


def http(status: int, tree: object, headers: str = "") -> bytes:
    body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return (
        f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """The head and the body of one request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
    return head, await reader.readexactly(int(length[1]) if length else 0)


@asynccontextmanager
async def endpoint(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server that treats each connection as `answer` does; its URL."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            # A loop that ends cancels who still answers, which Python 3.11's streams would report as an error.
            return
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
