"""Where partitions end, asked for at a pace of its own: what is not fetched is lag all the same.

Fetches report where a partition ends as well, but while nothing has room for what they bring there are none, and the
end that they reported last stands still. Here each broker is asked once an interval, in one call, for all partitions that
it leads.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED
from aiokafka.protocol.offset import OffsetRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aiokafka import AIOKafkaConsumer

log = structlog.get_logger(__name__)

_LATEST: Final = -1
_ANY_REPLICA: Final = -1
"""What a client that is no broker calls itself."""


class LogEnds:
    """Asks where the partitions of one topic end, by the connections of `consumer`; `run` it beside the consumer.

    An end is that of what may be taken: the last stable offset where only what is committed is read, else the high
    watermark.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, *, reads_committed: bool) -> None:
        self._consumer = consumer
        self._topic = topic
        self._isolation = READ_COMMITTED if reads_committed else READ_UNCOMMITTED
        self._ends: dict[int, int] = {}

    def of(self, partition: int) -> int | None:
        """The offset after the last that may be taken, as it was reported last; None where it never was."""
        return self._ends.get(partition)

    async def run(self, partitions: Callable[[], Collection[int]], interval_s: float) -> None:
        """Ask for the ends of what `partitions` returns, again and again, until cancelled."""
        while True:
            await self.look(partitions())
            await asyncio.sleep(interval_s)

    async def look(self, partitions: Collection[int]) -> None:
        """Ask each broker once. What one does not report stays as it was; the ends of other partitions are dropped."""
        self._ends = {number: end for number, end in self._ends.items() if number in partitions}
        asked = self._by_leader(partitions)
        answers = await asyncio.gather(*(self._ask(node, led) for node, led in asked.items()))
        if len(answers) > sum(answers) or sum(map(len, asked.values())) < len(partitions):
            # A leader has moved, or there is none: the next look finds where it is by then.
            self._consumer._client.force_metadata_update()  # noqa: SLF001  no public method asks for leaders anew

    def _by_leader(self, partitions: Collection[int]) -> dict[int, list[int]]:
        cluster, asked = self._consumer._client.cluster, dict[int, list[int]]()  # noqa: SLF001  as above
        for number in sorted(partitions):
            node = cluster.leader_for_partition(TopicPartition(self._topic, number))
            if node is not None and node >= 0:
                asked.setdefault(node, []).append(number)
        return asked

    async def _ask(self, node: int, led: Collection[int]) -> bool:
        """Ask one broker; whether it reported the ends of all partitions that it is said to lead."""
        wanted = [(self._topic, [(number, _LATEST) for number in led])]
        request = OffsetRequest(_ANY_REPLICA, self._isolation, wanted)
        try:
            answer = await self._consumer._client.send(node, request)  # noqa: SLF001  one call, of many partitions
        except (kafka.KafkaError, OSError) as error:
            log.warning("a broker does not report where partitions end", broker=node, reason=_words(error))
            return False
        is_all = True
        for _, parts in answer.topics:
            for number, code, _, end, *_ in parts:
                if code or end < 0:
                    is_all = False
                else:
                    self._ends[number] = end
        return is_all


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
