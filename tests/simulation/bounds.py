"""That a worker holds no more bytes than it may, and knows what it holds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from processor.profile.source_record import size_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.kafka.poll_room import Room
    from processor.kinesis.ticket import Ticket
    from processor.kinesis.writer import Writer
    from processor.profile.source_record import Record
    from processor.settings import Settings
    from processor.worker.partition import Partition
    from processor.worker.pipeline import Pipeline

_LARGEST_BATCH_BYTES = 64 * 1024
"""More than any batch of the simulated events has."""


class Bounds:
    """Looks into a pipeline: whenever bytes are taken, and when `check` is called."""

    def __init__(self, pipeline: Pipeline, writer: Writer, settings: Settings) -> None:
        self.partitions: list[Partition] = []
        """All that there ever were: those that are being released are no longer the pipeline's."""
        self._pipeline = pipeline
        self._writer = writer
        self._settings = settings
        self._asked: set[int] = set()
        """The partitions that were asked for in the poll that runs, or ran last."""
        for owner, name, made in (
            (pipeline._restorer, "_partition", self._partition),
            (pipeline.source, "poll", self._poll),
            (writer, "_take", self._take),
        ):
            setattr(owner, name, made(getattr(owner, name)))

    def check(self) -> None:
        """See that what is counted is what is there."""
        for partition in self.partitions:
            _check_held(partition)
        self._check_writer()

    def check_candidates(self, tries_max: int) -> None:
        """See that no record is tried for ever where something is at hand to see by whether Kinesis takes any."""
        if self._writer._probe._newest is not None:
            tries = [item.evidence.alone for item in self._writer._bisection._candidates if item.evidence]
            assert max(tries, default=0) <= tries_max, (
                f"a record was rejected alone {max(tries)} times, and is kept"
            )

    def check_empty(self) -> None:
        """See that nothing is left, once all was released."""
        self.check()
        figures = self._writer.figures
        left = figures.buffered_bytes, figures.request_bytes_in_flight, figures.in_flight
        assert left == (0, 0, 0), f"the writer holds {left} when all was released"
        assert not self._pipeline.partitions, "partitions were not released"

    def _partition(self, make: Callable[..., Partition]) -> Any:
        def noted(number: int, store: Any, start_offset: int) -> Partition:
            partition = make(number, store, start_offset)
            self.partitions.append(partition)
            offer, drain = partition.offer, partition.drain

            def offered(records: Sequence[Record], end_offset: int | None) -> None:
                assert number in self._asked, f"partition {number} takes records and has no room"
                offer(records, end_offset)
                _check_held(partition)
                held_bytes = sum(each.held_bytes for each in self._pipeline.partitions.values())
                bound_bytes = self._settings.service.in_flight_bytes + _LARGEST_BATCH_BYTES
                assert held_bytes <= bound_bytes, f"the worker holds {held_bytes} bytes of {bound_bytes}"

            async def drained() -> None:
                await drain()
                assert partition.held_bytes == 0, (
                    f"partition {number} is drained and holds {partition.held_bytes} bytes"
                )

            partition.offer, partition.drain = offered, drained  # type: ignore[method-assign]  # see above
            return partition

        return noted

    def _poll(self, poll: Callable[..., Any]) -> Any:
        async def polled(room: Room) -> Any:
            self._asked = set(room.shares)
            return await poll(room)

        return polled

    def _take(self, take: Callable[[Ticket], None]) -> Any:
        limits = self._settings.kinesis

        def taken(ticket: Ticket) -> None:
            writer = self._writer
            # A record that is sent again as a probe takes no room, and may stand beyond it.
            held_before = writer.figures.buffered_bytes
            before = {lane: lane.held_bytes for lane in writer.lanes}
            take(ticket)
            buffered_bytes = writer.figures.buffered_bytes
            if buffered_bytes > max(held_before, limits.buffer_bytes):
                assert buffered_bytes <= _at_least_one(limits.buffer_bytes, ticket), (
                    f"the writer holds {buffered_bytes} bytes"
                )
            if not writer.lanes.are_known:
                return
            for lane, held_bytes in before.items():
                if lane.held_bytes > max(held_bytes, limits.shard_buffer_bytes):
                    assert lane.held_bytes <= _at_least_one(limits.shard_buffer_bytes, ticket), (
                        f"the writer holds {lane.held_bytes} bytes for {lane.shard_id}"
                    )

        return taken

    def _check_writer(self) -> None:
        writer, figures = self._writer, self._writer.figures
        items = [item for item in writer._unsettled() if not item.ticket.is_abandoned]
        counted = figures.in_flight, figures.buffered_bytes
        found = len(items), sum(item.size_bytes for item in items)
        assert counted == found, f"the writer counts {counted} records and bytes, and holds {found}"
        in_calls = sum(call.size_bytes for call in writer._calls)
        assert figures.request_bytes_in_flight == in_calls, (
            f"the writer counts {figures.request_bytes_in_flight} bytes in calls, of {in_calls}"
        )
        by_lane = Counter[int]()
        for item in items:
            by_lane[id(item.lane)] += item.size_bytes
        for lane in writer.lanes:
            assert lane.held_bytes == by_lane[id(lane)], (
                f"{lane.shard_id} counts {lane.held_bytes} bytes, and holds {by_lane[id(lane)]}"
            )


def _at_least_one(limit_bytes: int, ticket: Ticket) -> int:
    """Where nothing is held, an export that is larger than all room is taken nevertheless."""
    return max([limit_bytes, *(len(each.data) + len(each.partition_key.encode()) for each in ticket.exports)])


def _check_held(partition: Partition) -> None:
    held = sum([size_bytes(records) for records in partition._taken])
    held += sum([batch.size_bytes for batch in partition._in_flight])
    assert partition.held_bytes == held, (
        f"partition {partition.number} counts {partition.held_bytes} bytes, and holds {held}"
    )
