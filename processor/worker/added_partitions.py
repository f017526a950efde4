"""Partitions that were added to the source: keys have moved to others, and the state of their profiles has not.

What the former partitions hold is finished first, with the state where it was; the new ones are not taken. Where the new
number is a multiple of the former, a key that moves goes to a new partition. Else it may go to a former one, whose state knows
nothing of it: there a partition stands at the first event of a key that has moved to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.partitioner import murmur2

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from processor.kafka.source import Source
    from processor.profile.source_record import Record


def partition_of(key: bytes, partitions: int) -> int:
    """Where Kafka's default partitioner puts a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class AddedPartitions:
    """What is known of the partitions that were added to `topic`, which had `before` and has `now`."""

    def __init__(self, topic: str, before: int, now: int) -> None:
        self.before = before
        self.now = now
        self._topic = topic
        self._stands_at: dict[int, int] = {}

    def finishing(self, partition: int, records: Sequence[Record]) -> Sequence[Record]:
        """Those of `records` that are to be finished: all before the first event of a key that has moved here."""
        if self.now % self.before == 0:
            return records
        for at, record in enumerate(records):
            if record.key is not None and partition_of(record.key, self.before) != partition:
                self._stands_at[partition] = record.offset
                return records[:at]
        self._stands_at.pop(partition, None)
        return records

    def held_back(self, partition: int, records: Sequence[Record], source: Source) -> Sequence[Record]:
        """Return the same, and pause the partition at the first of those that may not be taken."""
        finishing = self.finishing(partition, records)
        if len(finishing) < len(records):
            source.resume(partition, records[len(finishing)].offset)
            source.pause([partition])
        return finishing

    def stands_at(self, partition: int) -> int | None:
        """The offset at which a partition is not taken any further; None where it is."""
        return self._stands_at.get(partition)

    def report(self, owned: Collection[int], ends: Mapping[int, tuple[int, int]]) -> str:
        """Return what to do, as a sentence; `ends` has, of what is `owned`, the offsets that are reached and to be reached."""
        unfinished = [
            partition
            for partition in sorted(owned)
            if partition not in ends
            or ends[partition][0]
            < min(ends[partition][1], self._stands_at.get(partition, ends[partition][1]))
        ]
        how_far = (
            f"partitions {', '.join(map(str, unfinished))} of this worker are not finished yet"
            if unfinished
            else "those of this worker are finished"
        )
        return f"{self.remedy}: {how_far}"

    @property
    def remedy(self) -> str:
        """What happened, and what to do."""
        return (
            f"partitions {self.before} to {self.now - 1} were added to {self._topic} and are not taken, for keys have moved to "
            "them, and their state has not. The others are finished first. When all workers say so, and every producer knows the "
            "new partitions (they ask every metadata.max.age.ms, 5 minutes by default), stop the service wherever it runs, "
            "run `processor state repartition`, and start it again"
        )
