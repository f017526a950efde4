"""A way to Kinesis that takes a megabyte a second in all: full calls never end within their time."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.numbered_changes import case, changes
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.world import committed, plan_for, produce, running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.integration]

LINK_BYTES_PER_S = 1_000_000
CHUNK_BYTES = 20_000


@asynccontextmanager
async def thin_link(url: str) -> AsyncIterator[str]:
    """What lies before `url` and lets so many bytes a second pass, of all connections together; its URL."""
    target, passing = urlsplit(url), asyncio.Lock()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_thin: bool) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if is_thin:
                # Not a wait for something to happen: the link is what is slow.
                async with passing:
                    await asyncio.sleep(len(chunk) / LINK_BYTES_PER_S)
            writer.write(chunk)
            await writer.drain()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(
            target.hostname, target.port, limit=CHUNK_BYTES
        )
        pumps = [
            asyncio.create_task(pump(reader, there_writer, is_thin=True)),
            asyncio.create_task(pump(there_reader, writer, is_thin=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in pumps:
                each.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.close()
            there_writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0, limit=CHUNK_BYTES)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_calls_become_as_small_as_the_link_asks_for_and_everything_arrives(
    kafka: str, topic: str
) -> None:
    kinesis = ScriptedKinesis(random.Random(3))
    profiles = [f"profile-{number}" for number in range(300)]
    events = changes(300, profiles)
    for event in events:
        event["value"]["identityMap"] = {"crm": [{"id": event["key"] + "x" * 20_000}]}
    # All of it would go in one call, which would take eight seconds.
    settings = settings_for(kafka, topic, kinesis_request_timeout_ms="3000", kinesis_linger_ms="500")
    async with served(kinesis) as url, thin_link(url) as thin:
        plan = plan_for(case(), "s", thin)
        await produce(kafka, topic, events)
        async with running(settings, plan) as status:
            await until(lambda: status.figures.exported == len(events))
            await until(lambda: status.is_ready)
    assert {key for key, _ in kinesis.stored} == set(profiles)
    assert await committed(kafka, settings.kafka.group, topic) == len(events)
