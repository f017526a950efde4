"""An idempotent producer that is replaced when it can no longer go on.

Idempotence numbers a partition's batches, and the broker takes them in that order only. aiokafka gives a batch its number
before it is sent and never takes a number back: a batch that the broker refused, or that expired while its partition had
no leader, leaves a gap, and every later batch of the partition is answered with OutOfOrderSequenceNumber, for ever
(aiokafka #1017). Java's producer asks for a new epoch then; aiokafka has no such request, so the producer itself is replaced. What the
former one had on its way may land late, as what any zombie sent may: who appends must be able to see that.

This module touches aiokafka's private names to end a producer that does not end by itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from processor.errors import KafkaUnavailable
from processor.kafka.client import errors_mapped
from processor.kafka.client_close import leave
from processor.kafka.client_lifecycle import uninterrupted, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import AIOKafkaProducer
    from aiokafka.producer.message_accumulator import BatchBuilder
    from aiokafka.structs import RecordMetadata

    from processor.kafka.changelog_batches import WholeBatch

log = structlog.get_logger(__name__)

_FLUSH_S: Final = 3.0
_LEAVE_S: Final = 3.0


class IdempotentProducer:
    """Sends whole batches; `make` makes a producer of aiokafka, not started. `what` names it in logs and errors."""

    def __init__(self, make: Callable[[], AIOKafkaProducer], what: str) -> None:
        self.replaced = 0
        """How often a producer could not go on."""
        self._make = make
        self._what = what
        self._current: _Sequenced | None = None
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Connect. May be tried again; `stop` is due even where it failed.

        Raises:
            KafkaRefused, KafkaUnavailable: the connection did not come about.

        """
        await self._started()

    async def stop(self) -> None:
        """Disconnect; batches that are on their way are waited for."""
        async with self._changing:
            current, self._current = self._current, None
        if current is not None:
            await leave(current.producer)

    async def send(self, batch: BatchBuilder | WholeBatch, topic: str, partition: int) -> RecordMetadata:
        """Send a batch, and wait until all in-sync replicas have it; batches of a partition are sent one at a time.

        Raises:
            KafkaRefused: the topic is gone, may not be written, or refuses a record for its size.
            KafkaUnavailable: Kafka does not answer in time, or the producer was replaced meanwhile; the batch may land
                nevertheless, now or later.

        """
        doing = f"appending to {topic}"
        current = await self._started()
        try:
            with errors_mapped(doing):
                sent = await current.producer.send_batch(batch, topic, partition=partition)
                # What is given up may fail later, when nobody asks any more.
                sent.add_done_callback(_looked_at)
                await asyncio.wait([sent, current.retired], return_when=asyncio.FIRST_COMPLETED)
                if sent.done():
                    return sent.result()
        except Exception:
            # Whatever it was: the batch may have taken a number with it.
            await self._retire(current)
            raise
        raise KafkaUnavailable(f"{doing}: the producer could not go on and was replaced")

    async def _started(self) -> _Sequenced:
        async with self._changing:
            if self._current is None:
                fresh = _Sequenced(self._make())
                try:
                    with errors_mapped(f"connecting {self._what}"):
                        await uninterrupted(fresh.producer.start())
                except BaseException:
                    await uninterrupted(fresh.end(self._what))
                    raise
                self._current = fresh
            return self._current

    async def _retire(self, former: _Sequenced) -> None:
        async with self._changing:
            if self._current is not former:
                return
            self._current = None
        self.replaced += 1
        log.warning(
            "a producer cannot be sure of its place in the log any more, and is replaced", client=self._what
        )
        await uninterrupted(former.end(self._what))


class _Sequenced:
    """One producer of aiokafka, and whether it is given up."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self.retired: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def end(self, what: str) -> None:
        """Let what is on its way land for a while, then break it off; those that wait for it get the error."""
        try:
            await within(_FLUSH_S, self.producer.stop, what)
            await within(_LEAVE_S, self._break_off, what)
        finally:
            if not self.retired.done():
                self.retired.set_result(None)

    async def _break_off(self) -> None:
        # `stop` ends neither its sender nor its connections where it is broken off itself.
        sender = self.producer._sender  # noqa: SLF001  the module's docstring says why
        task = None if sender is None else sender.sender_task
        if task is not None:
            task.cancel()
        await self.producer.client.close()
        if task is not None:
            await asyncio.wait([task])


def _looked_at(sent: asyncio.Future[RecordMetadata]) -> None:
    if not sent.cancelled():
        sent.exception()
