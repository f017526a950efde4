"""The overlay: the next batch sees every change, acknowledged or not."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.profile.state_record import encode_record
from processor.profile.structs import StateRecord
from processor.state.overlay import Overlay
from processor.state.record_cache import ENTRY_OVERHEAD_BYTES, HotRecords
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Sequence


class SlowStore(MemoryStore):
    """Answers with what it held at some moment between the question and the answer."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng

    async def get_many(self, profiles: Sequence[bytes]) -> dict[bytes, bytes | None]:
        await asyncio.sleep(self._rng.random())
        found = await super().get_many(profiles)
        await asyncio.sleep(self._rng.random())
        return found


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
        hot.correct({profile: truth[profile]})
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
