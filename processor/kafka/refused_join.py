"""A member that the group's coordinator does not take in: why, and that it goes on trying.

aiokafka keeps what the coordinator refuses for whoever polls next, and asks for nothing until then. A member without
partitions polls nothing: it would stand still for ever, in silence. Here a refusal is reported, and the group is joined again
after a while. This module touches aiokafka's private names.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from processor.kafka.client import mapped

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from processor.kafka.heartbeats import Heartbeats

log = structlog.get_logger(__name__)

AGAIN_S: Final = 2.0


class RefusedJoin:
    """Watches one member of `group` being refused, and has it try again; its `heartbeats` say when the coordinator has answered it again."""

    def __init__(self, group: str, heartbeats: Heartbeats) -> None:
        self._doing = f"joining group {group}"
        self._heartbeats = heartbeats
        self._refusal: tuple[float, str] | None = None
        """When the coordinator refused this member last, and why."""

    @property
    def trouble(self) -> str | None:
        """Why this member is not taken in, with a remedy; None where it is, or was not refused."""
        if self._refusal is None:
            return None
        refused_at_s, why = self._refusal
        refused_for_s = asyncio.get_running_loop().time() - refused_at_s
        return why if self._heartbeats.silence_s >= refused_for_s else None

    def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Take what the coordinator refuses from now on; the consumer is started."""
        coordinator = consumer._coordinator  # noqa: SLF001  the module's docstring says why

        async def refused(error: Exception) -> None:
            why = str(mapped(error, self._doing))
            self._refusal = asyncio.get_running_loop().time(), why
            log.warning("the group does not take this worker in, trying again", reason=why)
            await asyncio.wait([coordinator._closing], timeout=AGAIN_S)  # noqa: SLF001  as above

        coordinator._push_error_to_user = refused  # noqa: SLF001  as above
