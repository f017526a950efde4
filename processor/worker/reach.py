"""How far partitions are read and acknowledged, and how far they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.kafka.offsets import Reach
    from processor.kafka.source import Source
    from processor.worker.partition import Partition


def reach_of(partition: Partition, source: Source) -> Reach | None:
    """Return how far a partition is read, and how far it goes; None where that is not known yet.

    What was read and is no event is thereby acknowledged, once all before it is (`Partition.pass_to`).
    """
    reach = source.reach(partition.number)
    if reach is not None:
        partition.pass_to(reach.position)
    return reach


def reached_and_end(partitions: Mapping[int, Partition], source: Source) -> dict[int, tuple[int, int]]:
    """Return, of each partition whose reach is known, the offset that is reached, and the one where it ends."""
    reaches = {number: reach_of(partition, source) for number, partition in partitions.items()}
    return {
        number: (partitions[number].reached_offset, reach.end)
        for number, reach in reaches.items()
        if reach is not None
    }
