"""A store on a disk that is full: nothing that it was given is lost or claimed, and it can be opened anew."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from processor.errors import StateError, StateUnavailable
from processor.profile.state_record import encode_departed
from processor.state import disk as disks
from processor.state.disk import Disk, DiskFigures, write_probe
from processor.state.store_errors import state_error
from tests.state.full_disk import files_limited_to
from tests.support.stores import DAY_MS, directory_at, member, opened


def many(first: int, count: int = 2_000) -> dict[bytes, bytes]:
    return {b"profile-%06d" % number: member(number) for number in range(first, first + count)}


async def test_a_full_disk_is_reported_and_all_that_it_was_given_is_still_known(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.apply(many(0), 2_000)
        await store.flush()
        with files_limited_to(200_000):
            for first in (2_000, 4_000):
                await store.apply(many(first), first + 2_000)
                await store.flush()
            assert store.trouble is not None
            assert "the disk is full: make room" in store.trouble
            await store.apply({b"profile-000000": member(9_000), b"gone": encode_departed(9_001)}, 7_000)
            await store.flush()
            assert await store.departed_before(10_000, 10) == []
            found = await store.get_many([*many(0, 6_000)])
            assert found == {**many(0, 6_000), b"profile-000000": member(9_000)}
    # With room it is opened again: what it claims to have, it has.
    async with opened(tmp_path) as store:
        assert store.trouble is None
        assert store.position in {2_000, 4_000}
        found = await store.get_many([*many(0, 6_000)])
        assert {p: record for p, record in found.items() if record is not None} == many(0, store.position)
        await store.apply(many(store.position), store.position + 2_000)
        await store.flush()
        assert store.trouble is None


async def test_a_store_that_meets_the_full_disk_when_it_is_closed_is_closed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.apply(many(0), 2_000)
        with files_limited_to(60_000):
            await store.close()
        with pytest.raises(StateError):
            await store.get_many([b"p"])
        store._database = type("Closed", (), {"close": lambda _: None, "get": lambda *_: None})()
    async with opened(tmp_path) as store:
        assert store.position == 0


async def test_a_store_that_cannot_be_opened_for_room_says_so(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)
    try:
        with files_limited_to(0), pytest.raises(StateUnavailable, match="the disk is full: make room"):
            await directory.open(0, deletions_kept_ms=DAY_MS, purged_kept_ms=0)
        store = await directory.open(0, deletions_kept_ms=DAY_MS, purged_kept_ms=0)
        await store.close()
    finally:
        await asyncio.to_thread(directory.close)


async def test_a_directory_on_a_full_disk_may_be_waited_for(tmp_path: Path) -> None:
    with files_limited_to(0), pytest.raises(StateUnavailable, match="the disk is full: make room"):
        directory_at(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO])
def test_what_may_pass_is_reported_as_that_with_what_to_do(number: int) -> None:
    text = f"IO error: {os.strerror(number)}: While appending to file: /state/0/000007.log: {os.strerror(number)}"
    for error in (Exception(text), OSError(number, os.strerror(number))):
        found = state_error(error, Path("/state/0"))
        assert isinstance(found, StateUnavailable)
        assert str(found).startswith("/state/0: the disk ")
        assert "the changelog" in str(found)


@pytest.mark.parametrize(
    "text",
    ["Corruption: block checksum mismatch", "IO error: Permission denied", "IO error: Too many open files"],
)
def test_what_does_not_pass_is_no_disk_s(text: str) -> None:
    assert not isinstance(state_error(Exception(text), Path("/state/0")), StateUnavailable)


async def test_whether_there_is_room_is_tried_by_one_of_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def tried(path: Path, size_bytes: int) -> None:
        tries.append(size_bytes)
        write_probe(path, size_bytes)

    monkeypatch.setattr(disks, "write_probe", tried)
    disk = Disk(tmp_path, list)
    with files_limited_to(100_000), pytest.raises(StateUnavailable, match="the disk is full"):
        await disk.check()
    assert list(tmp_path.iterdir()) == []
    await asyncio.gather(*(disk.check() for _ in range(100)))
    assert len(tries) == 2
    assert list(tmp_path.iterdir()) == []


async def test_it_reports_what_the_open_stores_take_and_what_is_free(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)
    disk = Disk(directory.path, lambda: directory.paths)
    looking = asyncio.create_task(disk.run())
    try:
        store = await directory.open(0, deletions_kept_ms=DAY_MS, purged_kept_ms=0)
        await store.apply(many(0, 5_000), 5_000)
        await store.flush()
        looking.cancel()
        await asyncio.wait([looking])
        looking = asyncio.create_task(disk.run())
        while disk.figures is None or not disk.figures.stores_bytes:
            await asyncio.sleep(0.01)
        stores_bytes, free_bytes, size_bytes = disk.figures
        assert 100_000 < stores_bytes < 10_000_000
        assert 0 < free_bytes < size_bytes
        await store.close()
    finally:
        looking.cancel()
        await asyncio.wait([looking])
        await asyncio.to_thread(directory.close)


def test_little_room_is_warned_of_once_and_again_when_there_was_more() -> None:
    disk = Disk(Path("/state"), list)
    with capture_logs() as lines:
        for free_bytes in (50, 9, 8, 50, 9):
            disk.figures = DiskFigures(1, free_bytes, 100)
            disk._warn_if_little()
        disk.figures = None
        disk._warn_if_little()
    assert [(line["event"], line["free_bytes"]) for line in lines] == [
        ("the disk of the stores is nearly full", 9)
    ] * 2
