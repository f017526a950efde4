"""A few consumers for the many partitions that are looked at together: each connects once, and asks for metadata once.

They are there while somebody uses one or waits for one. With the last of these they go, so nothing is to be stopped.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from processor.kafka.client_lifecycle import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiokafka import AIOKafkaConsumer


class _Reader(NamedTuple):
    consumer: AIOKafkaConsumer
    connection: AsyncExitStack


class ConsumerPool:
    """At most `most` consumers of those that `make` makes; `doing` says to errors what they are for."""

    def __init__(self, make: Callable[[], AIOKafkaConsumer], doing: str, most: int) -> None:
        self._make = make
        self._doing = doing
        self._turn = asyncio.Semaphore(most)
        self._free: list[_Reader] = []
        self._users = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer of one's own, once there is one; as another left it, or new.

        Raises:
            KafkaRefused, KafkaUnavailable: the connection did not come about.

        """
        self._users += 1
        try:
            async with self._turn:
                reader = self._free.pop() if self._free else await self._connected()
                try:
                    yield reader.consumer
                except BaseException:
                    # What failed, or was broken off, is in no state to go on from.
                    await reader.connection.aclose()
                    raise
                self._free.append(reader)
        finally:
            self._users -= 1
            if not self._users:
                await self._close()

    async def _connected(self) -> _Reader:
        consumer, connection = self._make(), AsyncExitStack()
        await connection.enter_async_context(connected(consumer, self._doing))
        return _Reader(consumer, connection)

    async def _close(self) -> None:
        async with AsyncExitStack() as all_of_them:
            while self._free:
                all_of_them.push_async_callback(self._free.pop().connection.aclose)
