"""Asking a deployment for a backfill, and looking at how far its backfills are, from any machine that reaches Kafka."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, NamedTuple

from processor.backfill.board import Board
from processor.backfill.messages import BY_CHARACTERS_MAX, REQUEST_KEY, Request, encoded
from processor.errors import KafkaRefused, KafkaUnavailable
from processor.kafka.backfill_topic import BACKFILL_TOPIC
from processor.kafka.followed_topic import follow_topic
from processor.kafka.offline_group import count_members
from processor.kafka.small_appends import open_small_appends
from processor.kafka.small_topic import PARTITION, needed_grants
from processor.kafka.topics import open_topics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from processor.backfill.messages import Reported
    from processor.settings import Settings


_TRIES: Final = 5
_TRY_AGAIN_S: Final = 0.5


class Asked(NamedTuple):
    """A request that was made: how many partitions are to heed it, and how many members the group has now; None where Kafka does not say."""

    request: Request
    partitions: int
    members: int | None


class PartitionView(NamedTuple):
    """What is known of a partition: what was reported of it last, None where nothing was, and whether it has heeded the newest request."""

    partition: int
    reported: Reported | None
    has_heeded: bool

    @property
    def is_done(self) -> bool:
        """Whether nothing is due or under way, as far as is known."""
        return self.has_heeded and (self.reported is None or self.reported.stage == "complete")


class BackfillView(NamedTuple):
    """What the topic of backfills says: the newest request, None where there is none, and every partition of the source."""

    request: Request | None
    partitions: Sequence[PartitionView]

    @property
    def is_done(self) -> bool:
        """Whether no partition has anything due or under way, as far as is known."""
        return all(each.is_done for each in self.partitions)

    @property
    def unheeding(self) -> list[int]:
        """The partitions that have not heeded the newest request."""
        return [each.partition for each in self.partitions if not each.has_heeded]

    @property
    def unreported(self) -> list[int]:
        """The partitions of which nothing was reported yet."""
        return [each.partition for each in self.partitions if each.reported is None]


async def ask_for_backfill(settings: Settings, by: str) -> Asked:
    """Request a backfill of every partition, and say in the request that it is `by` somebody; the topic is made where it is absent.

    Raises:
        KafkaRefused: there is no source, or the topic of backfills may not be created or written.
        KafkaUnavailable: Kafka does not answer.

    """
    kafka, topic = settings.kafka, settings.backfill_topic
    # What was typed in another encoding than UTF-8 has half characters.
    said = by[:BY_CHARACTERS_MAX].encode(errors="backslashreplace").decode()
    request = Request(secrets.token_hex(6), round(time.time() * 1000), said)
    async with open_topics(kafka) as topics:
        source = await topics.shape(kafka.topic)
        try:
            await BACKFILL_TOPIC.prepare(topics, topic, source)
            await topics.shape(topic)  # until every broker knows it
            async with open_small_appends(kafka, topic, PARTITION) as appends:
                await appends.append([(REQUEST_KEY, encoded(request))])
        except KafkaRefused as error:
            raise KafkaRefused(f"{error}; {needed_grants(topic)}") from error
    return Asked(request, source.partitions, await members_if_known(settings))


async def members_if_known(settings: Settings) -> int | None:
    """How many members the group has now; None where Kafka does not say, or this user may not know."""
    for _ in range(_TRIES):
        try:
            return await count_members(settings.kafka)
        except KafkaUnavailable:
            # A cluster whose first group this is makes the topic of offsets first.
            await asyncio.sleep(_TRY_AGAIN_S)
        except KafkaRefused:
            break
    return None


async def backfill_views(settings: Settings) -> AsyncGenerator[BackfillView, None]:
    """Yield what the topic of backfills says now, and then again and again, with whatever came meanwhile.

    Raises:
        KafkaRefused: there is no source, or the topic of backfills may not be read.
        KafkaUnavailable: Kafka does not answer, or there is no topic of backfills yet.

    """
    kafka, topic = settings.kafka, settings.backfill_topic
    async with open_topics(kafka) as topics:
        partitions = (await topics.shape(kafka.topic)).partitions
        if await topics.shape_if_any(topic) is None:
            raise KafkaUnavailable(
                f"topic {topic} does not exist: nothing was asked or reported yet. The service makes it when it starts, where it may: "
                "docs/deploy.md, What Kafka must allow"
            )
    board = Board(partitions)
    async with aclosing(follow_topic(kafka, topic, PARTITION)) as batches:
        async for records, is_current, _ in batches:
            board.take(records)
            if is_current:
                yield _view(board)


def _view(board: Board) -> BackfillView:
    request = board.request
    views = []
    for partition in range(board.partitions):
        reported = board.reported.get(partition)
        has_heeded = request is None or (reported is not None and reported.request == request.id)
        views.append(PartitionView(partition, reported, has_heeded))
    return BackfillView(request, views)
