"""The source: this member's share of the topic, batch by batch, and the offsets that it commits.

aiokafka's consumer does the group protocol; three of its habits shape this module. `getmany` may wait for a
new assignment whatever its time-out says, so nothing timed depends on it. Exceptions in its rebalance listener
are only logged, so they are kept here and raised where the service sees them. Heartbeats share the loop with
all other work, so batches are bounded. Where to read from is always said explicitly: a reset by policy would
skip events, or read them all anew, in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka import errors as kafka
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from processor.errors import KafkaUnavailable, StateRefused
from processor.kafka.client import client_options, errors_mapped, mapped
from processor.kafka.client_close import heed_commits, leave
from processor.kafka.client_lifecycle import connected, uninterrupted
from processor.kafka.commit_metadata import START, committed_as
from processor.kafka.consumer_state import end_of_gap, high_watermarks, state_of
from processor.kafka.fetched_batches import fetched_bytes, taking, unpack_whole_batches
from processor.kafka.log_ends import LogEnds
from processor.kafka.offsets import Reach, SourceBounds
from processor.kafka.rebalance_listener import RebalanceListener
from processor.kafka.refused_join import RefusedJoin
from processor.kafka.static_member import StaticMember
from processor.kafka.topic_ids import topic_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from processor.kafka.commit_metadata import Committed, Mark
    from processor.kafka.heartbeats import Heartbeats
    from processor.kafka.poll_room import Room
    from processor.kafka.rebalance_listener import Assignment
    from processor.profile.source_record import Record
    from processor.settings import KafkaSettings

    Records: TypeAlias = Sequence[Record]

log = structlog.get_logger(__name__)

_POLL_INTERVAL_MAX_MS: Final = 7 * 24 * 3600 * 1000
"""Back-pressure must not cost the membership; a watchdog, not the broker, decides that a member is stuck."""

_POLL_WAIT_MS: Final = 200

ASSIGNOR: Final = RangePartitionAssignor
"""One only: aiokafka joins the group once for each that is listed."""


class Source:
    """A member of the consumer group on one topic."""

    def __init__(
        self,
        settings: KafkaSettings,
        heartbeats: Heartbeats,
        *,
        gives_id_back: bool = False,
    ) -> None:
        unpack_whole_batches()
        self.topic = settings.topic
        self._reads_committed = settings.isolation_level == "read_committed"
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            group_id=settings.group,
            group_instance_id=settings.instance_id,
            auto_offset_reset="none",
            enable_auto_commit=False,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.heartbeat_interval_ms,
            rebalance_timeout_ms=settings.rebalance_timeout_ms,
            max_poll_interval_ms=_POLL_INTERVAL_MAX_MS,
            isolation_level=settings.isolation_level,
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
            fetch_max_bytes=settings.fetch_max_bytes,
            max_partition_fetch_bytes=settings.partition_fetch_max_bytes,
            partition_assignment_strategy=(ASSIGNOR,),
        )
        self._ends = LogEnds(self._consumer, self.topic, reads_committed=self._reads_committed)
        self._lag_interval_s = settings.lag_interval_ms / 1000
        self._committed_before: dict[int, int] = {}
        """The group's offsets of partitions that are not begun yet."""
        self._topic_id: str | None = None
        self._heartbeats = heartbeats
        self._joining = RefusedJoin(settings.group, heartbeats)
        self._static_member = (
            StaticMember(
                settings.instance_id, settings.heartbeat_interval_ms / 1000, gives_id_back=gives_id_back
            )
            if settings.instance_id
            else None
        )
        self._listener = RebalanceListener(heartbeats)

    async def start(self, assignment: Assignment) -> None:
        """Connect and join the group; partitions arrive later, by calls of `assignment`.

        May be tried again; `stop` is due even where it failed.

        Raises:
            KafkaRefused, KafkaUnavailable: the connection did not come about.

        """
        with errors_mapped("connecting the consumer"):
            await uninterrupted(self._consumer.start())
            self._topic_id = await self._id_now()
        if self._static_member is not None:
            self._static_member.watch(self._consumer)
        self._heartbeats.watch(self._consumer)
        self._joining.watch(self._consumer)
        heed_commits(self._consumer)
        self._listener.attach(assignment)
        self._consumer.subscribe([self.topic], listener=self._listener)

    @property
    def is_expelled(self) -> bool:
        """Whether the group has gone on without this member: what it owned may be another's already."""
        return self._heartbeats.is_expelled

    @property
    def rival(self) -> str | None:
        """Who took this member's instance id, and what to do about it; None where nobody did."""
        return None if self._static_member is None else self._static_member.rival

    @property
    def refusal(self) -> str | None:
        """Why the group does not take this member in, and what to do about it; None where it does."""
        return self._joining.trouble

    @property
    def is_there(self) -> bool:
        """Whether the topic exists, as far as the client knows; a group on one that was deleted is content with nothing."""
        return bool(self._consumer.partitions_for_topic(self.topic))

    @property
    def partition_count(self) -> int:
        """How many partitions the topic has, as far as the client knows."""
        return len(self._consumer.partitions_for_topic(self.topic) or ())

    async def check_identity(self) -> None:
        """See that the topic is still the one that it was when this member connected, where the brokers know ids.

        Raises:
            StateRefused: it was deleted, and another was made under its name.
            KafkaRefused, KafkaUnavailable: Kafka does not say.

        """
        with errors_mapped(f"looking at the id of {self.topic}"):
            now = await self._id_now()
        if None not in {now, self._topic_id} and now != self._topic_id:
            raise StateRefused(
                f"topic {self.topic} was deleted and made anew while the service ran (its id was {self._topic_id}, "
                f"it is {now} now): offsets and state are those of the former topic. Was it made by a client that only "
                "looked at it, as auto.create.topics.enable=true has it, delete it and create it as it should be. Then "
                "start a new group, which exports every profile anew"
            )

    async def _id_now(self) -> str | None:
        # No public method asks for what aiokafka's own requests do not ask for.
        return await topic_id(self._consumer._client, self.topic)  # noqa: SLF001  see above

    def has(self, partition: int) -> bool:
        """Whether a partition is assigned to this member now."""
        return state_of(self._consumer, TopicPartition(self.topic, partition)) is not None

    def pause(self, partitions: Collection[int]) -> None:
        """Fetch nothing of newly assigned `partitions` until `resume` says where from."""
        for partition in partitions:
            self._committed_before.pop(partition, None)
        self._consumer.pause(*(TopicPartition(self.topic, partition) for partition in partitions))

    def resume(self, partition: int, offset: int) -> None:
        """Fetch a partition from `offset` on; nothing happens where it was revoked meanwhile."""
        place = TopicPartition(self.topic, partition)
        try:
            self._consumer.seek(place, offset)
            self._consumer.resume(place)
        except kafka.IllegalStateError:
            log.info("revoked before it was begun", partition=partition)

    async def committed(self, partition: int) -> Committed | None:
        """The group's offset of a partition; None where there is none.

        Raises:
            KafkaRefused, KafkaUnavailable: it cannot be read.

        """
        place = TopicPartition(self.topic, partition)
        with errors_mapped(f"looking at the offsets of {self.topic}"):
            # The public method keeps the metadata to itself.
            found = await self._consumer._coordinator.fetch_committed_offsets([place])  # noqa: SLF001  see above
        if place not in found or found[place].offset < 0:
            return None
        self._committed_before[partition] = found[place].offset
        return committed_as(found[place].offset, found[place].metadata)

    async def commit_start(self, partition: int, offset: int) -> None:
        """Commit where a new group begins, before anything is processed.

        Raises:
            KafkaRefused, KafkaUnavailable: Kafka did not take it, or the group has moved on without this member.

        """
        if not await self._commit({TopicPartition(self.topic, partition): OffsetAndMetadata(offset, START)}):
            raise KafkaUnavailable(f"committing the start of partition {partition}: it was taken over")

    async def bounds(self, partition: int) -> SourceBounds:
        """What there is of a partition.

        Raises:
            KafkaRefused, KafkaUnavailable: they cannot be read.

        """
        place = TopicPartition(self.topic, partition)
        with errors_mapped(f"looking at {self.topic}"):
            begins = await self._consumer.beginning_offsets([place])
            takeable = await self._consumer.end_offsets([place])
            ends = await high_watermarks(self._consumer, [place])
        return SourceBounds(begins[place], ends[place], takeable[place])

    def reach(self, partition: int) -> Reach | None:
        """How far a partition is read, and how far it goes; None where it is not known yet, or not this member's."""
        state, asked_end = (
            state_of(self._consumer, TopicPartition(self.topic, partition)),
            self._ends.of(partition),
        )
        if state is None or not state.has_valid_position or (state.highwater is None and asked_end is None):
            return None
        stable = state.lso if self._reads_committed else None
        fetched_end = state.highwater if stable is None or stable < 0 else stable
        # Whichever was reported later: neither goes back.
        end = max(fetched_end or 0, asked_end or 0)
        return Reach(state.position, end, max(state.highwater or 0, end))

    def waiting(self, partition: int) -> int | None:
        """How many offsets lie between the group's and the end, of a partition that is not begun; None if not known."""
        end, committed = self._ends.of(partition), self._committed_before.get(partition)
        return None if end is None or committed is None else max(end - committed, 0)

    async def ends(self) -> dict[int, int]:
        """Where all partitions of the topic end now, whoever owns them; transactions that are open included.

        Raises:
            KafkaRefused, KafkaUnavailable: Kafka does not say.

        """
        numbers = self._consumer.partitions_for_topic(self.topic) or set()
        with errors_mapped(f"looking at {self.topic}"):
            found = await high_watermarks(
                self._consumer, [TopicPartition(self.topic, number) for number in numbers]
            )
        return {place.partition: end for place, end in found.items()}

    async def follow_ends(self, partitions: Callable[[], Collection[int]]) -> None:
        """Ask the brokers, at a pace of its own, where the partitions that `partitions` returns end; until cancelled."""
        await self._ends.run(partitions, self._lag_interval_s)

    async def pass_gap(self, partition: int) -> None:
        """Go on behind the last offsets of a partition where they hold nothing any more: compaction took what was there.

        Kafka's answer to a fetch from there is the same as where nothing is appended yet: the position stays.

        Raises:
            KafkaRefused, KafkaUnavailable: Kafka does not say.

        """
        place, reach = TopicPartition(self.topic, partition), self.reach(partition)
        if reach is None:
            return
        with errors_mapped(f"looking at {self.topic}"):
            end = await end_of_gap(
                self._consumer, place, reach.position, reads_committed=self._reads_committed
            )
        now = self.reach(partition)
        if end is not None and now is not None and now.position == reach.position:
            log.info(
                "compaction took a partition's last events", partition=partition, since=reach.position, to=end
            )
            self.resume(partition, end)

    @property
    def fetched_bytes(self) -> int:
        """What is fetched and not unpacked to its end, as it came."""
        return fetched_bytes(self._consumer)

    async def untaken(self, partition: int) -> int:
        """How many offsets of a partition are not fetched yet: of records, and of what transactions leave behind.

        Raises:
            KafkaRefused, KafkaUnavailable: Kafka does not say.

        """
        place = TopicPartition(self.topic, partition)
        with errors_mapped(f"looking at {self.topic}"):
            ends = await self._consumer.end_offsets([place])
            position = await self._consumer.position(place)
        return max(int(ends[place]) - int(position), 0)

    def comes_back(self) -> None:
        """Have the partitions wait for this member's next life, where it has an id to be known by."""
        if self._static_member is not None:
            self._static_member.keep_id()

    async def stop(self) -> None:
        """Leave the group. Drain and commit first: nothing is revoked on the way out."""
        self._listener.detach()
        await leave(self._consumer)

    async def failed(self) -> None:
        """Wait for the assignment to fail in a rebalance, and raise what it raised; never returns otherwise."""
        await self._listener.failed()

    async def poll(self, room: Room) -> Mapping[int, Records]:
        """Whole batches of the partitions that have `room`, as far as it goes; may be empty after a short wait.

        Raises:
            KafkaRefused: this member may not read the topic.
            KafkaUnavailable: Kafka failed in a way that the client does not get over by itself.
            StateRefused: the topic is not the one that it was.

        """
        wanted = [TopicPartition(self.topic, partition) for partition in room.shares]
        try:
            with taking(room):
                batches = await self._consumer.getmany(*wanted, timeout_ms=_POLL_WAIT_MS)
        except (kafka.IllegalStateError, kafka.NoOffsetForPartitionError):
            # A partition was revoked, or assigned anew, between the choice and the call.
            return {}
        except kafka.OffsetOutOfRangeError as error:
            await self._go_on_after_loss(error)
            return {}
        except (kafka.KafkaError, OSError) as error:
            raise mapped(error, f"fetching from {self.topic}") from error
        return {partition.partition: records for partition, records in batches.items()}

    async def commit(self, offsets: Mapping[int, int], marks: Mapping[int, Mark]) -> bool:
        """Commit the next offset to read, and what it relies on, by partition.

        False where the group has moved on without this member.

        Raises:
            KafkaRefused, KafkaUnavailable: Kafka did not take it; the same or later offsets may be tried again.

        """
        return await self._commit(
            {
                TopicPartition(self.topic, partition): OffsetAndMetadata(offset, str(marks[partition]))
                for partition, offset in offsets.items()
            }
        )

    async def _commit(self, positions: Mapping[TopicPartition, OffsetAndMetadata]) -> bool:
        try:
            await self._consumer.commit(positions)
        except (kafka.CommitFailedError, kafka.IllegalStateError) as error:
            log.warning("commit refused: the partitions were taken over", error=type(error).__name__)
            return False
        except (kafka.KafkaError, OSError) as error:
            raise mapped(error, f"committing offsets of {self.topic}") from error
        return True

    async def _go_on_after_loss(self, error: kafka.OffsetOutOfRangeError) -> None:
        await self.check_identity()
        for place, offset in error.args[0].items():
            begin = (await self.bounds(place.partition)).begin
            self._listener.deleted(place.partition, offset, begin)
            self.resume(place.partition, begin)


async def check_group(settings: KafkaSettings) -> None:
    """Look at the group's committed offsets, as a member would, without joining.

    Raises:
        KafkaRefused, KafkaUnavailable: they may not be read, or Kafka does not answer.

    """
    consumer = AIOKafkaConsumer(**client_options(settings), group_id=settings.group, enable_auto_commit=False)
    doing = f"looking at group {settings.group}"
    async with connected(consumer, doing):
        consumer.assign([TopicPartition(settings.topic, 0)])
        with errors_mapped(doing):
            await consumer.committed(TopicPartition(settings.topic, 0))
