"""The overlay: the next batch sees every change, acknowledged or not."""

from __future__ import annotations

import asyncio
import random
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import StateError
from processor.profile.state_record import encode_record
from processor.profile.structs import StateRecord
from processor.state.overlay import Overlay
from processor.state.record_cache import ENTRY_OVERHEAD_BYTES, HotRecords
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from processor.state.overlay import LookUp


class SlowStore(MemoryStore):
    """Answers with what it held at some moment between the question and the answer; some it has in memory."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng

    def recall(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        each_once = dict.fromkeys(profiles)
        recalled = [profile for profile in each_once if self._rng.random() < 0.3]
        super().recall(recalled, found)
        return [profile for profile in each_once if profile not in recalled]

    async def get_many(self, profiles: Sequence[bytes]) -> dict[bytes, bytes | None]:
        await asyncio.sleep(self._rng.random())
        found = await super().get_many(profiles)
        await asyncio.sleep(self._rng.random())
        return found


class ReadStore(MemoryStore):
    """Has nothing in memory; what is read is as of the question, and comes, or fails, when the test says so."""

    def __init__(self, held: Mapping[bytes, bytes] = MappingProxyType({})) -> None:
        super().__init__()
        self.records.update(held)
        self.asked: list[list[bytes]] = []
        self.answers: list[asyncio.Future[None]] = []

    def recall(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:  # noqa: ARG002  the store's interface
        return [*profiles]

    async def get_many(self, profiles: Sequence[bytes]) -> dict[bytes, bytes | None]:
        found = await super().get_many(profiles)
        self.asked.append([*profiles])
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        return found


def record(offset: int) -> bytes:
    return encode_record(StateRecord(offset))


@given(st.integers())
def test_a_look_up_sees_all_changes_whenever_they_are_acknowledged(seed: int) -> None:
    rng = random.Random(seed)

    async def live() -> None:
        overlay = Overlay(SlowStore(rng))
        latest: dict[bytes, bytes] = {}
        unacknowledged: list[dict[bytes, bytes]] = []

        async def acknowledge() -> None:
            for position in range(30):
                await asyncio.sleep(rng.random() * 2)
                if unacknowledged:
                    await overlay.acknowledge(unacknowledged.pop(0), position)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(acknowledge())
            some: list[list[bytes]] = [[b"%d" % rng.randrange(4) for _ in range(3)] for _ in range(30)]
            ahead = overlay.begin(some[0], tasks)
            for offset, profiles in enumerate(some):
                look_up = ahead
                if offset + 1 < len(some):
                    ahead = overlay.begin(some[offset + 1], tasks)
                found = await overlay.finish(look_up)
                assert found == {profile: latest.get(profile) for profile in profiles}
                changes = {p: encode_record(StateRecord(offset)) for p in profiles if rng.random() < 0.6}
                latest |= changes
                overlay.put(changes)
                unacknowledged.append(changes)

    run_in_virtual_time(live())


@pytest.mark.parametrize("is_acknowledged", [False, True])
@pytest.mark.parametrize("is_put_first", [False, True])
def test_a_change_is_seen_put_before_a_look_up_or_during_it_and_acknowledged_meanwhile_or_not(
    *, is_put_first: bool, is_acknowledged: bool
) -> None:
    async def live() -> None:
        store = ReadStore({b"p": record(1), b"q": record(2)})
        overlay, changes = Overlay(store), {b"p": record(3), b"new": record(4)}
        async with asyncio.TaskGroup() as tasks:
            if is_put_first:
                overlay.put(changes)
            look_up = overlay.begin([b"q", b"p", b"new", b"none"], tasks)
            await asyncio.sleep(1)
            if not is_put_first:
                overlay.put(changes)
            if is_acknowledged:
                await overlay.acknowledge(changes, 1)
            store.answers[0].set_result(None)
            found = await overlay.finish(look_up)
        assert found == {**changes, b"q": record(2), b"none": None}
        assert store.asked == [[b"q", b"none"] if is_put_first else [b"q", b"p", b"new", b"none"]]

    run_in_virtual_time(live())


def test_what_was_put_before_a_look_up_is_overlaid_by_what_is_put_during_it() -> None:
    async def live() -> None:
        store = ReadStore()
        overlay = Overlay(store)
        first, second, third = ({b"p": record(offset)} for offset in range(3))
        async with asyncio.TaskGroup() as tasks:
            overlay.put(first)
            look_up = overlay.begin([b"p", b"q"], tasks)
            overlay.put(second)
            await overlay.acknowledge(first, 1)
            await overlay.acknowledge(second, 2)
            overlay.put(third)
            await asyncio.sleep(1)
            store.answers[0].set_result(None)
            assert await overlay.finish(look_up) == {**third, b"q": None}
        assert overlay.holds(b"p")
        await overlay.acknowledge(third, 3)
        assert not overlay.holds(b"p")
        assert store.records == third

    run_in_virtual_time(live())


def test_of_what_is_put_during_a_look_up_it_sees_the_profiles_alone_that_it_was_begun_for() -> None:
    async def live() -> None:
        overlay = Overlay(MemoryStore())
        async with asyncio.TaskGroup() as tasks:
            look_up = overlay.begin([b"p"], tasks)
            overlay.put({b"p": record(1), b"q": record(2)})
            assert await overlay.finish(look_up) == {b"p": record(1)}

    run_in_virtual_time(live())


def test_each_of_two_look_ups_at_once_sees_what_is_put_until_it_is_finished() -> None:
    async def live() -> None:
        store = ReadStore({b"p": record(0)})
        overlay = Overlay(store)
        async with asyncio.TaskGroup() as tasks:
            first = overlay.begin([b"p", b"q"], tasks)
            overlay.put({b"p": record(1)})
            second = overlay.begin([b"q", b"p"], tasks)
            overlay.put({b"q": record(2)})
            await asyncio.sleep(1)
            store.answers[0].set_result(None)
            assert await overlay.finish(first) == {b"p": record(1), b"q": record(2)}
            overlay.put({b"p": record(3)})
            store.answers[1].set_result(None)
            assert await overlay.finish(second) == {b"p": record(3), b"q": record(2)}

    run_in_virtual_time(live())


def test_a_look_up_that_is_finished_gets_nothing_of_what_is_put_later() -> None:
    async def live() -> None:
        overlay = Overlay(MemoryStore())
        async with asyncio.TaskGroup() as tasks:
            look_up = overlay.begin([b"p"], tasks)
            found = await overlay.finish(look_up)
        overlay.put({b"p": record(1)})
        assert found == {b"p": None}
        assert look_up.changed == []

    run_in_virtual_time(live())


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["failed", "cancelled"])
def test_a_look_up_whose_reading_fails_or_is_cancelled_keeps_nothing_of_what_is_put_later(
    *, is_cancelled: bool
) -> None:
    async def live() -> None:
        store = ReadStore()
        overlay = Overlay(store)
        look_ups: list[LookUp] = []

        async def look_up() -> None:
            async with asyncio.TaskGroup() as tasks:
                look_ups.append(overlay.begin([b"p"], tasks))
                await overlay.finish(look_ups[0])

        looking = asyncio.create_task(look_up())
        await asyncio.sleep(1)
        if is_cancelled:
            looking.cancel()
        else:
            store.answers[0].set_exception(StateError("the disk is gone"))
        await asyncio.wait([looking])
        assert looking.cancelled() == is_cancelled
        overlay.put({b"p": record(1)})
        assert look_ups[0].changed == []
        async with asyncio.TaskGroup() as tasks:
            assert await overlay.finish(overlay.begin([b"p"], tasks)) == {b"p": record(1)}
        if not is_cancelled:
            assert looking.exception() is not None

    run_in_virtual_time(live())


def test_an_acknowledgement_leaves_the_later_change_of_a_profile() -> None:
    async def live() -> None:
        overlay, equal = Overlay(MemoryStore()), record(1)
        first, later = {b"p": equal, b"q": record(2)}, {b"p": bytes(bytearray(equal))}
        overlay.put(first)
        overlay.put(later)
        await overlay.acknowledge(first, 1)
        assert (overlay.holds(b"p"), overlay.holds(b"q")) == (True, False)
        await overlay.acknowledge(later, 2)
        assert not overlay.holds(b"p")

    run_in_virtual_time(live())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50))))
def test_hot_records_are_never_stale_and_stay_within_their_bound(steps: list[tuple[int, int]]) -> None:
    bound = 6 * (ENTRY_OVERHEAD_BYTES + 50)
    hot, truth = HotRecords(bound), dict[bytes, bytes | None]()
    for number, size in steps:
        profile = b"%d" % number
        found: dict[bytes, bytes | None] = {}
        unknown = hot.find([profile], found)
        assert found == ({} if unknown else {profile: truth[profile]})
        truth[profile] = b"x" * size or None
        hot.remember(dict.fromkeys(unknown))
        hot.outdate([profile, b"of no account"])
        hot.correct([(profile, truth[profile])])
        held = {**hot._old, **hot._young}
        assert len(hot._young) <= 4
        assert len(held) <= 9


@pytest.mark.parametrize("turns", [False, True])
def test_what_has_changed_is_not_held_until_it_is_corrected(turns: bool) -> None:
    records: dict[bytes, bytes | None] = {b"a": b"x" * 100, b"b": b"y" * 100, b"new": None}
    before_bytes = sum(ENTRY_OVERHEAD_BYTES + len(p) + len(r or b"") for p, r in records.items())
    hot = HotRecords(2 * before_bytes - 1 if turns else 1 << 20)
    hot.remember(records)
    if turns:
        hot.remember({b"c": b"z" * 10})
    others_bytes = hot.size_bytes - before_bytes
    hot.outdate([b"a", b"new", b"unknown"])
    assert hot.size_bytes == before_bytes + others_bytes - 100
    hot.outdate([b"a"])
    assert hot.size_bytes == before_bytes + others_bytes - 100
    found: dict[bytes, bytes | None] = {}
    assert hot.find([b"b"], found) == []
    assert found == {b"b": b"y" * 100}
