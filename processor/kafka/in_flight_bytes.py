"""A bound over what is on its way to Kafka at once, of all partitions: a request that is too large has no answer."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class InFlightBytes:
    """Lets so many bytes be in flight to Kafka at once, of all that take from it; what is larger goes alone."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._turn = asyncio.Lock()
        self._room = asyncio.Condition()

    @asynccontextmanager
    async def taking(self, size_bytes: int) -> AsyncIterator[None]:
        """Wait until there is room for `size_bytes`, and keep it meanwhile; who waits longest goes first."""
        async with self._turn, self._room:
            await self._room.wait_for(
                lambda: not self._bytes or self._bytes + size_bytes <= self._limit_bytes
            )
            self._bytes += size_bytes
        try:
            yield
        finally:
            self._bytes -= size_bytes
            async with self._room:
                self._room.notify_all()
