"""What every store does, in memory and on disk."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.profile.state_record import encode_departed, has_departed
from processor.state.rocksdb_store import POSITION_KEY
from processor.state.store import Departed
from processor.state.store_inspection import figures_of, open_to_look
from tests.state.full_disk import files_limited_to
from tests.support.memory_store import MemoryStore
from tests.support.stores import DAY_MS, directory_at, member, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.state.store import Store


@pytest.fixture(params=["memory", "rocks"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    async with opened(tmp_path) as on_disk:
        yield on_disk


async def test_a_new_store_holds_nothing(store: Store) -> None:
    assert (store.position, store.highest_offset, store.stream) == (0, -1, None)
    assert await store.get_many([b"p", b"q"]) == {b"p": None, b"q": None}


async def test_records_are_found_side_by_side_with_their_profiles(store: Store) -> None:
    await store.apply({b"p": member(3), b"q": member(5)}, 7)
    assert await store.get_many([b"q", b"x", b"p", b"q"]) == {b"q": member(5), b"x": None, b"p": member(3)}
    assert (store.position, store.highest_offset) == (7, 5)


async def test_an_older_batch_does_not_lower_the_highest_offset(store: Store) -> None:
    await store.apply({b"p": member(9)}, 1)
    await store.apply({b"q": member(4)}, 2)
    await store.apply({}, 3)
    assert (store.position, store.highest_offset) == (3, 9)


async def test_the_stream_is_remembered(store: Store) -> None:
    await store.apply({}, 1, "eu-west-1/exports")
    await store.apply({b"p": member(0)}, 2)
    assert store.stream == "eu-west-1/exports"


async def test_profiles_that_departed_are_listed_until_they_are_purged(store: Store) -> None:
    await store.apply({b"p": encode_departed(3), b"q": encode_departed(8), b"r": member(9)}, 3)
    assert await store.departed_before(8, 10) == [Departed(b"p", 3)]
    assert await store.departed_before(9, 10) == [Departed(b"p", 3), Departed(b"q", 8)]
    assert await store.departed_before(9, 1) == [Departed(b"p", 3)]
    await store.purge([Departed(b"p", 3)], 4)
    assert await store.departed_before(9, 10) == [Departed(b"q", 8)]
    assert store.position == 4


async def test_a_profile_that_came_back_is_not_listed_as_departed(store: Store) -> None:
    await store.apply({b"p": encode_departed(3)}, 1)
    await store.apply({b"p": member(4)}, 2)
    assert await store.departed_before(10, 10) == []
    assert await store.get_many([b"p"]) == {b"p": member(4)}


async def test_a_profile_that_departed_twice_is_listed_once_and_latest(store: Store) -> None:
    await store.apply({b"p": encode_departed(3)}, 1)
    await store.apply({b"p": member(4)}, 2)
    await store.apply({b"p": encode_departed(5)}, 3)
    assert await store.departed_before(10, 10) == [Departed(b"p", 5)]


async def test_a_cleared_store_is_new(store: Store) -> None:
    await store.apply({b"p": member(3), b"q": encode_departed(4)}, 7, "stream")
    await store.clear()
    assert (store.position, store.highest_offset, store.stream) == (0, -1, None)
    assert await store.get_many([b"p", b"q"]) == {b"p": None, b"q": None}
    assert await store.departed_before(100, 10) == []


async def test_a_store_on_disk_survives(tmp_path: Path) -> None:
    async with opened(tmp_path, 1) as store:
        await store.apply({b"p": member(3), b"q": encode_departed(4)}, 7, "stream")
    async with opened(tmp_path, 1) as store:
        assert (store.position, store.highest_offset, store.stream) == (7, 4, "stream")
        assert await store.get_many([b"p"]) == {b"p": member(3)}
        assert await store.departed_before(10, 10) == [Departed(b"q", 4)]


async def test_a_purged_profile_stays_as_long_as_a_zombie_could_append(tmp_path: Path) -> None:
    async with opened(tmp_path, purged_kept_ms=DAY_MS) as store:
        await store.apply({b"p": encode_departed(3)}, 1)
        await store.purge([Departed(b"p", 3)], 2)
        assert await store.get_many([b"p"]) == {b"p": encode_departed(3)}
    async with opened(tmp_path, purged_kept_ms=-1) as store:
        await store.purge([], 3)
        await store.flush()
        assert await store.get_many([b"p"]) == {b"p": None}


async def test_two_look_ups_at_once_do_not_meet_in_the_database(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.apply({b"%d" % i: member(i) for i in range(100)}, 1)
    keys = [b"%d" % i for i in range(100)]
    async with opened(tmp_path) as store:
        one, other = await asyncio.gather(store.get_many(keys), store.get_many(keys[::-1]))
        assert one == other == {key: member(i) for i, key in enumerate(keys)}


async def test_a_cancelled_write_is_whole_before_the_store_may_be_closed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.apply({b"p": member(1)}, 1)
        writing = asyncio.create_task(store.flush())
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    async with opened(tmp_path) as store:
        assert (store.position, await store.get_many([b"p"])) in (
            (0, {b"p": None}),
            (1, {b"p": member(1)}),
        )


async def test_after_a_crash_a_store_is_as_it_was_when_it_was_written_last(tmp_path: Path) -> None:
    crashed = tmp_path / "crashed"
    async with opened(tmp_path, purged_kept_ms=DAY_MS) as store:
        await store.apply({b"p": member(1), b"q": encode_departed(2)}, 2, "stream")
        await store.apply({b"p": member(3)}, 3)
        await store.flush()
        await store.apply({b"p": encode_departed(4), b"r": member(5)}, 5)
        await store.purge([Departed(b"q", 2)], 6)
        assert (store.position, await store.departed_before(9, 9)) == (6, [Departed(b"p", 4)])
        shutil.copytree(store.path, crashed / store.path.relative_to(tmp_path))
    async with opened(crashed, purged_kept_ms=DAY_MS) as store:
        assert (store.position, store.highest_offset, store.stream) == (3, 3, "stream")
        assert await store.get_many([b"p", b"q", b"r"]) == {
            b"p": member(3),
            b"q": encode_departed(2),
            b"r": None,
        }
        assert await store.departed_before(9, 9) == [Departed(b"q", 2)]


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_store_that_could_not_be_written_never_claims_what_it_lost(
    tmp_path: Path, *, is_cancelled: bool
) -> None:
    async with opened(tmp_path) as store:
        await store.apply({b"p": member(1)}, 1)
        await store.flush()
        await store.apply({b"p": member(2)}, 2)
        with files_limited_to(0):
            flushing = asyncio.create_task(store.flush())
            if is_cancelled:
                await asyncio.sleep(0)
                flushing.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await flushing
            else:
                await flushing
                assert "the disk is full: make room" in (store.trouble or "")
                # It knows all that it was given until it is closed.
                assert await store.get_many([b"p"]) == {b"p": member(2)}
        await store.apply({b"q": member(3)}, 3)
    async with opened(tmp_path) as store:
        assert (store.position, await store.get_many([b"p", b"q"])) == (1, {b"p": member(1), b"q": None})


async def test_changes_are_written_when_they_are_many(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)
    store = await directory.open(0, deletions_kept_ms=DAY_MS, purged_kept_ms=0)
    empty = directory.memory_used_bytes
    for position in range(1, 21):
        await store.apply({b"p%d-%d" % (position, i): member(position) for i in range(1000)}, position)
        assert store.memory_bytes < 2 * 1024 * 1024
    assert directory.memory_used_bytes > empty
    looked_at = open_to_look(store.path)
    assert looked_at.get(b"p1-0") == member(1)
    looked_at.close()
    await store.close()
    await asyncio.to_thread(directory.close)


async def test_changes_are_written_when_they_have_waited(tmp_path: Path) -> None:
    now_s = 0.0
    async with opened(tmp_path, clock=lambda: now_s) as store:
        await store.apply({b"p": member(1)}, 1)
        assert (await asyncio.to_thread(figures_of, store.path)).position == 0
        now_s = 9.0
        await store.apply({}, 1)
        assert (await asyncio.to_thread(figures_of, store.path)).position == 0
        now_s = 11.0
        await store.apply({}, 2)
        assert (await asyncio.to_thread(figures_of, store.path)).position == 2


async def test_a_store_that_saw_nothing_new_keeps_the_time_when_it_last_did(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.apply({b"p": member(1)}, 1)
        await store.flush()
        written = store._database.get(POSITION_KEY)
    async with opened(tmp_path):
        pass
    async with opened(tmp_path) as store:
        assert store._database.get(POSITION_KEY) == written


async def test_what_changes_while_the_disk_is_read_is_not_overlaid_by_what_was_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.apply({b"p": member(1)}, 1)
    async with opened(tmp_path) as store:
        reading = asyncio.create_task(store.get_many([b"p"]))
        await asyncio.sleep(0)
        await store.apply({b"p": member(2)}, 2)
        assert await reading == {b"p": member(2)}
        await store.flush()
        found: dict[bytes, bytes | None] = {}
        assert store.recall([b"p"], found) == []
        assert found == {b"p": member(2)}


@given(seed=st.integers())
@settings(max_examples=60)
def test_a_store_on_disk_answers_as_one_in_memory_does(seed: int) -> None:
    rng = random.Random(seed)

    async def live(path: Path) -> None:
        model = MemoryStore()
        directory = directory_at(path)
        store = await directory.open(0, deletions_kept_ms=DAY_MS, purged_kept_ms=-1)
        profiles = [b"%d" % number for number in range(4)]
        for position in range(1, 40):
            match rng.randrange(6):
                case 0 | 1 | 2:
                    change = {rng.choice(profiles): rng.choice([member, encode_departed])(position)}
                    for each in (model, store):
                        await each.apply(change, position)
                case 3:
                    departed = await model.departed_before(position - rng.randrange(4), 2)
                    for each in (model, store):
                        await each.purge(departed, position)
                case 4:
                    await store.flush()
                case _:
                    await store.close()
                    store = await directory.open(0, deletions_kept_ms=DAY_MS, purged_kept_ms=-1)
            assert await store.departed_before(position, 9) == await model.departed_before(position, 9)
            found, wanted = await store.get_many(profiles), await model.get_many(profiles)
            # What was purged stays on disk a while, as left.
            assert {p: r for p, r in found.items() if r and not (has_departed(r) and wanted[p] is None)} == {
                p: r for p, r in wanted.items() if r
            }
            assert store.highest_offset == model.highest_offset
        await store.close()
        await asyncio.to_thread(directory.close)

    with tempfile.TemporaryDirectory() as path:
        asyncio.run(live(Path(path)))
