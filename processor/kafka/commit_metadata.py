"""What stands beside an offset that the service commits: which changelog holds the state that the offset relies on, up to where.

So a start knows, whatever is left of the local stores, that the changelog is the one that it was; and that an offset was
set by somebody else, for tools that reset offsets write nothing beside them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, NamedTuple

from processor.kafka.topic_ids import TopicIdentity

START: Final = "start"
"""The metadata of an offset that is committed before anything was processed."""

_STATE: Final = "state"
_REPARTITION: Final = "repartition"
_UNKNOWN: Final = "-"


class Mark(NamedTuple):
    """The changelog, where the brokers know ids; and its offset before which all is that the committed offset relies on."""

    changelog: TopicIdentity | None
    position: int

    def __str__(self) -> str:
        cluster, topic = self.changelog or (_UNKNOWN, _UNKNOWN)
        return f"{_STATE} {self.position} {cluster} {topic}"


class Repartition(NamedTuple):
    """State is being moved from so many partitions to so many: until that is done, nobody may take any of them."""

    before: int
    now: int

    def __str__(self) -> str:
        return f"{_REPARTITION} {self.before} {self.now}"


class Committed(NamedTuple):
    """The group's offset of a partition; `is_start` where it was committed before anything was processed.

    `mark` is what the service wrote beside it; None where somebody else set it, or a release that wrote none. `repartition` is
    there while state is moved to other partitions.
    """

    offset: int
    is_start: bool
    mark: Mark | None = None
    repartition: Repartition | None = None


def repartition_in(metadata: str) -> Repartition | None:
    """The repartition that was begun and is not done; None where there is none."""
    with suppress(ValueError):
        kind, before, now = metadata.split(" ")
        if kind == _REPARTITION:
            return Repartition(int(before), int(now))
    return None


def committed_as(offset: int, metadata: str) -> Committed:
    """A committed offset, with what its metadata says."""
    return Committed(offset, metadata == START, mark_in(metadata), repartition_in(metadata))


def mark_in(metadata: str) -> Mark | None:
    """The mark in what stands beside an offset; None where there is none that this release knows."""
    with suppress(ValueError):
        kind, position, cluster, topic = metadata.split(" ")
        if kind == _STATE:
            return Mark(None if topic == _UNKNOWN else TopicIdentity(cluster, topic), int(position))
    return None
