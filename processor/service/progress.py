"""What a worker has to do, part by part, and what changes in each part when it goes on.

A worker as a whole may go on while one partition of it stands still for ever; so the watchdog looks at every part by
itself: each partition, the membership of the group, its heartbeats, the commits, and the calls to Kinesis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from processor.kinesis.writer import Writer
    from processor.telemetry.status import Status
    from processor.worker.acknowledgements import Wait
    from processor.worker.pipeline import Pipeline

GROUP: Final = "group"
HEARTBEATS: Final = "kafka"
COMMITS: Final = "commits"
CALLS: Final = "calls"

Part: TypeAlias = int | str
"""A partition's number, or one of the names above."""


class Work:
    """The parts of one worker that is connected."""

    def __init__(self, status: Status, writer: Writer, pipeline: Pipeline) -> None:
        self._status = status
        self._writer = writer
        self._pipeline = pipeline

    def marks(self) -> dict[Part, object]:
        """Return each part that has work, or may have, with its mark: the part makes progress whenever that changes.

        The sentences of conditions are no part of a mark: they count the seconds for which nothing went on.
        """
        status, figures = self._status, self._status.figures
        begun = figures.conditions_begun
        marks: dict[Part, object] = {
            what: begun[what] for what in (HEARTBEATS, COMMITS) if what in self._conditions
        }
        if not self._conditions.isdisjoint({"starting", "rebalancing"}):
            marks[GROUP] = (figures.rebalances, begun["rebalancing"])
        if self._writer.figures.in_flight:
            marks[CALLS] = (self._writer.figures.requests, self._writer.figures.stored)
        # Some are restored at a time, and the others wait for them.
        restoration = tuple(sorted(status.restoration.items()))
        for number in sorted(status.partitions):
            partition = self._pipeline.partitions.get(number)
            if partition is not None:
                reach = self._pipeline.source.reach(number)
                marks[number] = (partition.progress_mark, None if reach is None else reach.position)
            elif number in status.restoration:
                marks[number] = restoration
        return marks

    async def of(self, number: int) -> str | None:
        """Return what there is to do in a partition, as a sentence; None where there is nothing.

        Raises:
            KafkaRefused, KafkaUnavailable: Kafka does not answer.

        """
        if number in self._status.restoration:
            return f"partition {number} is to be restored"
        partition = self._pipeline.partitions.get(number)
        if partition is None:
            return None
        if not partition.is_idle:
            return f"events of partition {number} are in flight{_waiting(partition.waits_for)}"
        if self.is_condition("added partitions"):
            return None  # it may stand where the first event of a key that has moved here is: a person moves the state
        # Ends as of the last fetch would hide that nothing is fetched.
        untaken = await self._pipeline.source.untaken(number)
        if untaken:
            # A gap that compaction left looks like events that do not come.
            await self._pipeline.source.pass_gap(number)
        return f"{untaken} events of partition {number} are not taken" if untaken else None

    def waits_for(self, number: int) -> Wait | None:
        """Return what a partition waits for, as far as it is known: one that takes nothing may have to wait for the others."""
        partition = self._pipeline.partitions.get(number)
        if partition is None:
            return None
        if partition.is_idle:
            waiting = {each.waits_for for each in self._pipeline.partitions.values()} - {None}
            return next((each for each in _KEEPING_ROOM if each in waiting and self.is_condition(each)), None)
        return partition.waits_for

    def is_condition(self, condition: str) -> bool:
        """Whether `condition` is one of the worker's conditions: it is known to be wrong, and the worker is unready for it."""
        return condition.lower() in self._conditions

    @property
    def is_kept_by_a_shard(self) -> bool:
        """Whether a shard takes nothing, or less than its published limits, and something waits for it."""
        return any(
            lane.held_bytes and (lane.is_failing or lane.limiter.scale < 1.0) for lane in self._writer.lanes
        )

    @property
    def is_refused(self) -> bool:
        """Whether Kinesis answers, and takes nothing until a person mends something."""
        return self._writer.trouble is not None

    @property
    def _conditions(self) -> set[str]:
        return set(self._status.conditions)


_KEEPING_ROOM: Final[tuple[Wait, ...]] = ("dead-letter limit", "Kinesis", "dead letters", "changelog")


def _waiting(what: Wait | None) -> str:
    if what is None:
        return ""
    return f" and wait for {what if what == 'Kinesis' else f'the {what}'}"
