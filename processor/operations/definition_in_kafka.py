"""The definition in Kafka, read or followed by a command, which connects, and is done."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from processor.definition.model import Definition
from processor.kafka.topics import open_topics
from processor.operations.kept_definition import KeptDefinition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.settings import Settings

_READ_S: Final = 30.0


async def definition_in_kafka(settings: Settings) -> Definition:
    """Return the definition in force; version 0 where there never was one. Nothing is created for it.

    Raises:
        DefinitionUnavailable: it cannot be read to its end within half a minute; the message says why.
        KafkaRefused, KafkaUnavailable: Kafka cannot be asked whether there is one.

    """
    async with open_topics(settings.kafka) as topics:
        if await topics.shape_if_any(settings.configuration_topic) is None:
            return Definition()
    async with followed_definition(settings) as kept:
        return kept.current()


@asynccontextmanager
async def followed_definition(settings: Settings) -> AsyncIterator[KeptDefinition]:
    """The kept definition once it was read, followed while the context lasts.

    Raises:
        DefinitionUnavailable: it cannot be read in time.

    """
    kept, stop = KeptDefinition(settings), asyncio.Event()
    following = asyncio.create_task(kept.run(stop), name="definition")
    try:
        try:
            async with asyncio.timeout(_READ_S):
                await kept.next(-1)
        except TimeoutError:
            kept.current()  # it says why
        yield kept
    finally:
        stop.set()
        await following
