"""What a worker needs of the changelog that its partitions' state is kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from processor.kafka.changelog import Span
    from processor.kafka.changelog_batches import Deletion
    from processor.kafka.offsets import Bounds
    from processor.kafka.topic_ids import TopicIdentity


class StateChangelog(Protocol):
    """Kafka's (`processor.kafka.changelog.Changelog`), or the one in memory that tests have."""

    @property
    def identity(self) -> TopicIdentity | None:
        """The topic's identity when it was connected to; None where the brokers know no ids."""

    async def check_identity(self) -> None:
        """See that the topic is still that one.

        Raises:
            StateRefused: it is another.
            KafkaRefused, KafkaUnavailable: it is gone, or Kafka does not say.

        """

    async def append(self, partition: int, entries: Mapping[bytes, bytes | Deletion], /) -> list[Span]:
        """Append entries, in order, and return where they stand, once all are kept.

        Raises:
            StateRefused: the topic is another one than at the start.
            KafkaRefused, KafkaUnavailable: it was not appended, or not all of it, or nobody knows.

        """

    def read(
        self, partition: int, start: int, end: int, /
    ) -> AsyncGenerator[Sequence[ConsumerRecord[bytes, bytes]], None]:
        """Yield the records from offset `start` to before `end`, in order.

        Raises:
            KafkaRefused, KafkaUnavailable: it cannot be read; what came so far holds.

        """

    async def bounds(self, partition: int, /) -> Bounds:
        """Return what there is of a partition now.

        Raises:
            KafkaRefused, KafkaUnavailable: it cannot be read.

        """
