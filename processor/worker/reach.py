"""How far partitions are read and acknowledged, and how far they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.kafka.offsets import Reach
    from processor.kafka.source import Source
    from processor.worker.partition import Partition


def advanced_reach(partition: Partition, source: Source) -> Reach | None:
    """Acknowledge what a partition has read that is no event, once all before it is; then return how far it is read and goes.

    None where that is not known yet. Markers of transactions are no events, nor is what compaction took.
    """
    reach = source.reach(partition.number)
    if reach is not None:
        partition.pass_to(reach.position)
    return reach


def reached_and_end(partitions: Mapping[int, Partition], source: Source) -> dict[int, tuple[int, int]]:
    """Return, of each partition whose reach is known, the offset that is reached, and the one where it ends."""
    reaches = {number: advanced_reach(partition, source) for number, partition in partitions.items()}
    return {
        number: (partitions[number].reached_offset, reach.end)
        for number, reach in reaches.items()
        if reach is not None
    }
