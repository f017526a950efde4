"""Topics as an operator sees and deletes them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from processor.errors import StateRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def administered(servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def delete(servers: str, topic: str) -> None:
    async with administered(servers) as admin:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.02)


async def described(servers: str, topic: str) -> tuple[int, dict[str, str]]:
    async with administered(servers) as admin:
        ((_, _, _, _, entries),) = (
            await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        )[0].resources
        (shape,) = await admin.describe_topics([topic])
        return len(shape["partitions"]), {entry[0]: entry[1] for entry in entries}


def refusals(failure: BaseException) -> list[str]:
    if isinstance(failure, BaseExceptionGroup):
        return [told for each in failure.exceptions for told in refusals(each)]
    assert isinstance(failure, StateRefused), repr(failure)
    return [str(failure)]
