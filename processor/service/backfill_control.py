"""Has a worker heed requests for backfills, and report how far its own are, by the topic of backfills.

Exports never wait for it, and the service does not end with it: what fails is logged, and tried again for as long as the worker runs.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import structlog

from processor.backfill.board import Board
from processor.backfill.messages import encoded, partition_key
from processor.errors import KafkaRefused, ProcessorError
from processor.kafka.backfill_topic import BACKFILL_TOPIC
from processor.kafka.followed_topic import follow_topic
from processor.kafka.small_appends import open_small_appends
from processor.kafka.small_topic import PARTITION, needed_grants
from processor.kafka.topic_trouble import TopicTrouble
from processor.kafka.topics import open_topics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from processor.backfill.messages import Reported
    from processor.backfill.reporting import Reporting
    from processor.settings import Settings

log = structlog.get_logger(__name__)

UNHEARD: Final = (
    "requests for backfills do not reach this worker, nor is it reported how far its backfills are"
)
UNREPORTED: Final = "it is not reported how far this worker's backfills are"

_LOOK_S: Final = 1.0
_QUIET_S: Final = 60.0
"""After so long without anything to report the connection is given up."""
_AGAIN_S: Final = 5.0
_REFUSED_AGAIN_S: Final = 60.0
"""A person grants what is missing; nobody waits for that by the second."""


class BackfillControl:
    """Hands the id of the newest request to `heed`, once, and appends what `reporting` has to report."""

    def __init__(self, settings: Settings, reporting: Reporting, heed: Callable[[str], None]) -> None:
        self._settings = settings
        self._reporting = reporting
        self._heed = heed
        self._heeded: str | None = None
        self._board: Board | None = None
        """What the topic says; None until all of it was read once."""
        about = log, "the topic of backfills", settings.backfill_topic
        self._unheard, self._unreported = TopicTrouble(*about, UNHEARD), TopicTrouble(*about, UNREPORTED)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow and report, until `stop` is set: a worker that drains has nothing to begin, and its clients are left meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            both = [
                tasks.create_task(self._endlessly(self._follow, self._unheard), name="backfill-requests"),
                tasks.create_task(self._endlessly(self._publish, self._unreported), name="backfill-progress"),
            ]
            await stop.wait()
            for task in both:
                task.cancel()

    async def _endlessly(self, work: Callable[[], Awaitable[None]], trouble: TopicTrouble) -> None:
        while True:
            try:
                await work()
            except KafkaRefused as error:
                trouble.report(error, remedy=needed_grants(self._settings.backfill_topic))
                await asyncio.sleep(_REFUSED_AGAIN_S)
            except ProcessorError as error:
                trouble.report(error)
                await asyncio.sleep(_AGAIN_S)
            except Exception:
                # A fault here costs backfills their requests; one that ended the worker would cost its exports.
                log.exception("the topic of backfills is left for a while; please report it")
                await asyncio.sleep(_REFUSED_AGAIN_S)

    async def _follow(self) -> None:
        kafka, topic = self._settings.kafka, self._settings.backfill_topic
        async with open_topics(kafka) as topics:
            source = await topics.shape(kafka.topic)
            if not await BACKFILL_TOPIC.prepare(topics, topic, source):
                warning = await BACKFILL_TOPIC.warning(topics, topic)
                if warning is not None:
                    log.warning("the topic of backfills forgets", topic=topic, reason=warning)
        board = Board(source.partitions)
        async with aclosing(follow_topic(kafka, topic, PARTITION)) as batches:
            async for records, is_current, _ in batches:
                passed_over = board.passed_over
                board.take(records)
                if board.passed_over > passed_over:
                    log.warning(
                        "records of the topic of backfills are passed over: they are none of this service's",
                        topic=topic,
                        records=board.passed_over - passed_over,
                    )
                if is_current:
                    self._board = board
                    self._unheard.is_over()
                    self._heed_newest(board)

    def _heed_newest(self, board: Board) -> None:
        request = board.request
        if request is None or request.id == self._heeded:
            return
        self._heeded = request.id
        log.info("the newest request for a backfill", request=request.id, made_by=request.by)
        self._heed(request.id)

    async def _publish(self) -> None:
        while not self._due():  # noqa: ASYNC110  figures are looked at, as those of the log are: they call nobody
            await asyncio.sleep(_LOOK_S)
        async with open_small_appends(
            self._settings.kafka, self._settings.backfill_topic, PARTITION
        ) as topic:
            quiet_s = 0.0
            while quiet_s < _QUIET_S:
                due = self._due()
                if due:
                    await topic.append([(partition_key(each), encoded(due[each])) for each in due])
                    self._reporting.reported(due)
                    self._unreported.is_over()
                    quiet_s = 0.0
                await asyncio.sleep(_LOOK_S)
                quiet_s += _LOOK_S

    def _due(self) -> Mapping[int, Reported]:
        """What is to be reported now, by partition; nothing before it is known what was reported of them by others."""
        return {} if self._board is None else self._reporting.due(self._board.reported)
