"""What every store does, in memory and on disk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from processor.profile.record import encode_left, encode_record
from processor.profile.structs import StateRecord
from processor.settings import StateSettings
from processor.state.directory import StateDirectory
from processor.state.memory import MemoryStore
from processor.state.store import Left

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from processor.state.store import Store

DAY_MS = 86_400_000


def member(offset: int) -> bytes:
    return encode_record(StateRecord(offset, memberships={"one": "2020-05-25T21:24:39Z"}))


def directory_at(path: Path, cluster: str = "c", **changes: int) -> StateDirectory:
    settings = StateSettings.model_validate({"directory": path, "memory_bytes": 16 * 1024 * 1024, **changes})
    return StateDirectory(settings, "group", "topic", cluster, partitions=2)


@pytest.fixture(params=["memory", "rocks"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    directory = directory_at(tmp_path)
    opened = await directory.open(0, deletions_kept_ms=DAY_MS, forgotten_kept_ms=0)
    yield opened
    await opened.close()
    directory.close()


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


async def test_profiles_that_left_are_told_until_they_are_forgotten(store: Store) -> None:
    await store.apply({b"p": encode_left(3), b"q": encode_left(8), b"r": member(9)}, 3)
    assert await store.left_before(8, 10) == [Left(b"p", 3)]
    assert await store.left_before(9, 10) == [Left(b"p", 3), Left(b"q", 8)]
    assert await store.left_before(9, 1) == [Left(b"p", 3)]
    await store.forget([Left(b"p", 3)], 4)
    assert await store.left_before(9, 10) == [Left(b"q", 8)]
    assert store.position == 4


async def test_a_profile_that_came_back_is_not_told_as_left(store: Store) -> None:
    await store.apply({b"p": encode_left(3)}, 1)
    await store.apply({b"p": member(4)}, 2)
    assert await store.left_before(10, 10) == []
    assert await store.get_many([b"p"]) == {b"p": member(4)}


async def test_a_profile_that_left_twice_is_told_once_and_latest(store: Store) -> None:
    await store.apply({b"p": encode_left(3)}, 1)
    await store.apply({b"p": member(4)}, 2)
    await store.apply({b"p": encode_left(5)}, 3)
    assert await store.left_before(10, 10) == [Left(b"p", 5)]


async def test_a_cleared_store_is_new(store: Store) -> None:
    await store.apply({b"p": member(3), b"q": encode_left(4)}, 7, "stream")
    await store.clear()
    assert (store.position, store.highest_offset, store.stream) == (0, -1, None)
    assert await store.get_many([b"p", b"q"]) == {b"p": None, b"q": None}
    assert await store.left_before(100, 10) == []


async def test_a_store_on_disk_survives(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)
    store = await directory.open(1, deletions_kept_ms=DAY_MS, forgotten_kept_ms=0)
    await store.apply({b"p": member(3), b"q": encode_left(4)}, 7, "stream")
    await store.close()
    store = await directory.open(1, deletions_kept_ms=DAY_MS, forgotten_kept_ms=0)
    assert (store.position, store.highest_offset, store.stream) == (7, 4, "stream")
    assert await store.get_many([b"p"]) == {b"p": member(3)}
    assert await store.left_before(10, 10) == [Left(b"q", 4)]
    await store.close()
    directory.close()


async def test_a_forgotten_profile_stays_as_long_as_a_zombie_could_append(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)
    store = await directory.open(0, deletions_kept_ms=DAY_MS, forgotten_kept_ms=DAY_MS)
    await store.apply({b"p": encode_left(3)}, 1)
    await store.forget([Left(b"p", 3)], 2)
    assert await store.get_many([b"p"]) == {b"p": encode_left(3)}
    await store.close()
    store = await directory.open(0, deletions_kept_ms=DAY_MS, forgotten_kept_ms=-1)
    await store.forget([], 3)
    assert await store.get_many([b"p"]) == {b"p": None}
    await store.close()
    directory.close()


async def test_two_look_ups_at_once_do_not_meet_in_the_database(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)
    store = await directory.open(0, deletions_kept_ms=DAY_MS, forgotten_kept_ms=0)
    await store.apply({b"%d" % i: member(i) for i in range(100)}, 1)
    await store.close()
    store = await directory.open(0, deletions_kept_ms=DAY_MS, forgotten_kept_ms=0)
    keys = [b"%d" % i for i in range(100)]
    one, other = await asyncio.gather(store.get_many(keys), store.get_many(keys[::-1]))
    assert one == other == {key: member(i) for i, key in enumerate(keys)}
    await store.close()
    directory.close()


async def test_a_cancelled_write_is_whole_before_the_store_may_be_closed(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)
    store = await directory.open(0, deletions_kept_ms=DAY_MS, forgotten_kept_ms=0)
    writing = asyncio.create_task(store.apply({b"p": member(1)}, 1))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await store.close()
    store = await directory.open(0, deletions_kept_ms=DAY_MS, forgotten_kept_ms=0)
    assert (store.position, await store.get_many([b"p"])) in ((0, {b"p": None}), (1, {b"p": member(1)}))
    await store.close()
    directory.close()
