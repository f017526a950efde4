"""The way back up: Kinesis, changelog, store; and what a gap in the changelog tells."""

from __future__ import annotations

from typing import Any, cast

import pytest

from processor.checkpoint import Checkpoint
from processor.kafka.changelog import Span
from processor.profile.record import encode_left
from processor.state.memory import MemoryStore
from processor.state.overlay import Overlay
from processor.telemetry.status import Status
from tests.kafka.model import MemoryChangelog
from tests.test_restore import member, restored
from tests.virtual_time import run_in_virtual_time


class Owner:
    """One owner of a partition."""

    def __init__(self, changelog: MemoryChangelog) -> None:
        self.store = MemoryStore()
        self.overlay = Overlay(self.store)
        self.status = Status()
        self.checkpoint = Checkpoint(0, cast("Any", changelog), self.overlay, self.status)

    async def keep(self, changes: dict[bytes, bytes]) -> None:
        self.overlay.put(changes)
        await self.checkpoint.keep(changes)


def test_changes_reach_the_changelog_and_then_the_store() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": member(1), b"q": member(2)})
        assert [record.key for record in changelog.records] == [b"p", b"q"]
        assert owner.store.records == {b"p": member(1), b"q": member(2)}
        assert owner.store.position == 2

    run_in_virtual_time(live())


def test_a_changelog_that_fails_is_waited_for_and_told() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        changelog.failures = 3
        await owner.keep({b"p": member(1)})
        assert owner.store.records == {b"p": member(1)}
        assert "changelog" not in owner.status.conditions

    run_in_virtual_time(live())


def test_what_an_intruder_wrote_is_overruled_even_after_compaction() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": member(4), b"q": member(5)})
        changelog.put({b"p": member(2), b"new": member(3)})
        changelog.failures = 1
        await owner.keep({b"q": member(6)})
        assert owner.status.figures.intruder_records == 2
        assert owner.store.position == len(changelog.records)
        assert {r.key: r.value for r in changelog.compacted()} == {
            b"q": member(6),
            b"p": member(4),
            b"new": None,
        }

    run_in_virtual_time(live())


def test_an_intruder_between_the_repairs_is_overruled_too() -> None:
    class Intruded(MemoryChangelog):
        times = 2

        async def append(self, partition: int, entries: Any) -> Any:
            if self.times:
                self.times -= 1
                self.put({b"p": member(1)})
            return await super().append(partition, entries)

    async def live() -> MemoryChangelog:
        changelog = Intruded()
        owner = Owner(changelog)
        await owner.keep({b"p": member(4)})
        await owner.keep({b"q": member(5)})
        assert owner.store.position == len(changelog.records)
        return changelog

    changelog = run_in_virtual_time(live())
    assert {r.key: r.value for r in changelog.compacted()} == {b"p": member(4), b"q": member(5)}
    assert restored(changelog).records == {b"p": member(4), b"q": member(5)}


class Behind(MemoryChangelog):
    """An intruder's record of `p` lands behind ours, in one of the ways in which its place does not tell."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self._way = way
        self._appends = 0

    async def append(self, partition: int, entries: Any) -> Any:
        self._appends += 1
        place = self._way, self._appends
        if place == ("ours is answered without a place", 2):
            self.put(entries)
            self.put({b"p": member(1)})
            end = len(self.records)
            return [Span(end, end)]
        if place == ("between the batches of one append", 2):
            first, rest = ({key: entries[key]} for key in (b"p", b"q"))
            spans = [self.put(first)]
            self.put({b"p": member(1)})
            return [*spans, self.put(rest)]
        if self._way == "before its own repair, and again behind it" and self._appends in {2, 3}:
            self.put({b"p": member(1), b"r": member(2)})
        return await super().append(partition, entries)


@pytest.mark.parametrize(
    "way",
    [
        "ours is answered without a place",
        "between the batches of one append",
        "before its own repair, and again behind it",
    ],
)
def test_what_is_appended_now_is_not_lost_to_an_intruder_that_stands_behind_it(way: str) -> None:
    async def live() -> MemoryChangelog:
        changelog = Behind(way)
        owner = Owner(changelog)
        await owner.keep({b"p": member(3), b"r": member(3)})
        await owner.keep({b"p": member(5), b"q": member(6)})
        assert owner.store.position == len(changelog.records)
        return changelog

    changelog = run_in_virtual_time(live())
    kept = {b"p": member(5), b"q": member(6), b"r": member(3)}
    assert {r.key: r.value for r in changelog.compacted()} == kept
    assert restored(changelog).records == kept


def test_profiles_that_left_are_deleted_once_their_offset_is_committed() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": encode_left(4), b"q": encode_left(8)})
        assert await owner.checkpoint.forget_left(4) is False
        assert await owner.checkpoint.forget_left(5) is True
        last = changelog.records[-1]
        assert (last.key, last.value, last.headers) == (b"p", None, [("offset", b"4")])
        assert owner.store.records == {b"q": encode_left(8)}
        assert await owner.checkpoint.forget_left(5) is False

    run_in_virtual_time(live())


def test_a_profile_with_a_change_on_its_way_is_not_deleted() -> None:
    async def live() -> None:
        changelog = MemoryChangelog()
        owner = Owner(changelog)
        await owner.keep({b"p": encode_left(4)})
        owner.overlay.put({b"p": member(6)})
        assert await owner.checkpoint.forget_left(5) is False
        assert len(changelog.records) == 1

    run_in_virtual_time(live())
