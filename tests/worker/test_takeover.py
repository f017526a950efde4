"""Taking a partition over: where it goes on, what is reported of what was never taken, and that Kafka is waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from processor.errors import KafkaRefused, KafkaUnavailable, StateRefused
from processor.kafka.changelog import STREAM_KEY
from processor.kafka.offsets import SourceBounds
from processor.telemetry.lost_events import LostEvents
from processor.telemetry.status import Status
from processor.worker.takeover import Takeover
from tests.kafka.model import MemoryChangelog
from tests.support.memory_store import MemoryStore
from tests.support.restored_store import member
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.parts import MemoryChangelogs, ScriptedSource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from typing import Literal

    from processor.kafka.commit_metadata import Committed
    from tests.kafka.model import Kept

STREAM = "eu-west-1/exports"


class CommittedSource(ScriptedSource):
    """Offsets of the group that are not where it began; the first look-ups raise `unread`."""

    def __init__(self) -> None:
        super().__init__()
        self.unread: list[Exception] = []

    async def committed(self, partition: int) -> Committed | None:
        if self.unread:
            raise self.unread.pop(0)
        found = await super().committed(partition)
        return found and found._replace(is_start=False)


class World:
    def __init__(self) -> None:
        self.status = Status()
        self.source = CommittedSource()
        self.source.bounds_of[0] = SourceBounds(10, 50, 40)
        self.changelogs = MemoryChangelogs()
        self.store = MemoryStore()

    async def taken_over(self, offset_reset: Literal["earliest", "latest"] = "earliest") -> int:
        takeover = Takeover(
            self.source,
            self.changelogs,
            self.status,
            LostEvents(self.status, {}),
            stream=STREAM,
            offset_reset=offset_reset,
        )
        return (await takeover.take_over(0, self.store)).offset

    def has_state(self) -> None:
        """A former owner's: of one profile, up to offset 20 of the source."""
        self.changelogs.of(0).put({STREAM_KEY: STREAM.encode(), b"p": member(20)})
        self.source.committed_offsets[0] = 21


@pytest.mark.parametrize(("offset_reset", "start"), [("earliest", 10), ("latest", 40)])
def test_a_new_group_begins_where_it_is_to_and_commits_that_and_names_its_stream(
    offset_reset: Literal["earliest", "latest"], start: int
) -> None:
    async def live() -> None:
        world = World()
        assert await world.taken_over(offset_reset) == start
        assert world.source.committed_offsets == {0: start}
        assert world.status.figures.begun_anew == {"nothing": 1}
        assert [(r.key, r.value) for r in world.changelogs.of(0).records] == [(STREAM_KEY, STREAM.encode())]
        assert (world.store.stream, world.store.position) == (STREAM, 1)

    run_in_virtual_time(live())


def test_a_group_goes_on_at_its_offset_with_the_state_of_the_changelog() -> None:
    async def live() -> None:
        world = World()
        world.has_state()
        assert await world.taken_over() == 21
        assert (world.store.records, world.store.position) == ({b"p": member(20)}, 2)
        assert not world.status.figures.lost
        assert len(world.changelogs.of(0).records) == 2, "nothing is appended"

    run_in_virtual_time(live())


def test_what_the_source_deleted_before_it_was_read_is_counted_and_passed_over() -> None:
    async def live() -> None:
        world = World()
        world.has_state()
        world.source.bounds_of[0] = SourceBounds(30, 50, 50)
        assert await world.taken_over() == 30
        assert world.status.figures.lost == {"deleted": 9}

    run_in_virtual_time(live())


def test_a_state_that_was_exported_elsewhere_is_refused() -> None:
    async def live() -> None:
        world = World()
        world.changelogs.of(0).put({STREAM_KEY: b"eu-west-1/others", b"p": member(20)})
        world.source.committed_offsets[0] = 21
        await world.taken_over()

    with pytest.raises(StateRefused, match="exported to eu-west-1/others"):
        run_in_virtual_time(live())


def test_kafka_is_waited_for_and_a_refusal_is_not() -> None:
    async def live(failures: list[Exception]) -> float:
        world = World()
        world.has_state()
        world.source.unread = failures
        assert await world.taken_over() == 21
        return asyncio.get_running_loop().time()

    with capture_logs() as logged:
        assert run_in_virtual_time(live([KafkaUnavailable("no leader")] * 3)) == pytest.approx(3.0)
    assert [(each["event"], each["reason"]) for each in logged] == (
        [("restoring failed, trying again", "no leader")] * 3
    )
    with pytest.raises(KafkaRefused):
        run_in_virtual_time(live([KafkaRefused("no permission")]))


def test_a_restore_that_takes_long_is_logged_now_and_then_and_always_in_the_status() -> None:
    seen: list[tuple[int, int]] = []

    class Slow(MemoryChangelog):
        async def read(self, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[Kept], None]:
            async for records in super().read(partition, start, end):
                await asyncio.sleep(2.0)
                yield records
                seen.append(world.status.restoration[0])

    class SlowChangelogs(MemoryChangelogs):
        def new(self) -> MemoryChangelog:
            return Slow()

    async def live() -> None:
        world.changelogs.of(0).put({STREAM_KEY: STREAM.encode(), **{b"%d" % n: member(n) for n in range(14)}})
        world.source.committed_offsets[0] = 21
        await world.taken_over()

    world = World()
    world.changelogs = SlowChangelogs()
    with capture_logs() as logged:
        run_in_virtual_time(live())
    assert seen == [(3, 15), (6, 15), (9, 15), (12, 15), (15, 15)]
    assert [line["changelog_offset"] for line in logged if line["event"] == "restoring"] == [9]
