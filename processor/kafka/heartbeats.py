"""How long ago the group's coordinator last answered: the one sign of life that aiokafka does not show."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer


class Heartbeats:
    """Counts from when an answered heartbeat was *sent*: the coordinator's own count begins no earlier."""

    def __init__(self) -> None:
        self._answered_at_s = self._synced_at_s = asyncio.get_running_loop().time()
        self._coordinator: Any = None
        self.is_joining = False
        """Whether the coordinator has been asked to take this member in: it answers once the others have given up
        what they had, and meanwhile no heartbeat is sent."""

    @property
    def silence_s(self) -> float:
        """Seconds since the last heartbeat, or join, that was answered."""
        return asyncio.get_running_loop().time() - self._answered_at_s

    @property
    def is_expelled(self) -> bool:
        """Whether the last answer, to a heartbeat or a commit, was that the group has no such member any more."""
        return self._coordinator is not None and self._coordinator.generation < 0

    def answered(self) -> None:
        """The coordinator has taken this member in: as of when its assignment was asked for, not of now.

        A member that was frozen meanwhile would take an old assignment for a sign of life.
        """
        self._answered_at_s = self._synced_at_s

    def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Note every answer from now on; the consumer is started."""
        # aiokafka has no hook for this, and its own time of the last answer is a local variable.
        self._coordinator = coordinator = consumer._coordinator  # noqa: SLF001  see above
        beat, send = coordinator._do_heartbeat, coordinator._send_req  # noqa: SLF001  see above

        async def noted_send(request: object) -> object:
            if isinstance(request, SyncGroupRequest):
                self._synced_at_s = asyncio.get_running_loop().time()
            self.is_joining = self.is_joining or isinstance(request, JoinGroupRequest)
            try:
                return await send(request)
            finally:
                self.is_joining = self.is_joining and not isinstance(request, JoinGroupRequest)

        async def noted_beat() -> bool:
            sent_at_s = asyncio.get_running_loop().time()
            success: bool = await beat()
            if success:
                self._answered_at_s = sent_at_s
            return success

        coordinator._do_heartbeat, coordinator._send_req = noted_beat, noted_send  # noqa: SLF001  see above
