"""Stores that are no good, and stores that others hold."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
import threading
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from processor.errors import EXIT_BAD_CONFIGURATION, ConfigurationError, StateError, exit_code
from processor.profile.state_record import encode_record
from processor.profile.structs import StateRecord
from processor.settings import StateSettings
from processor.state.place import place_of
from processor.state.rocksdb_store import DAMAGED
from processor.state.store_inspection import figures_of, open_to_look
from tests.support.stores import DAY_MS, directory_at, member, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


RECORD = encode_record(StateRecord(3))


async def filled(path: Path) -> Path:
    async with opened(path) as store:
        await store.apply({b"p": RECORD}, 7)
    return store.path


async def position(path: Path, cluster: str = "c", deletions_kept_ms: int = DAY_MS, **changes: int) -> int:
    directory = directory_at(path, cluster, **changes)
    try:
        store = await directory.open(0, deletions_kept_ms=deletions_kept_ms, purged_kept_ms=0)
        found: int = store.position
        assert await store.get_many([b"p"]) == {b"p": RECORD if found else None}
        await store.close()
        return found
    finally:
        await asyncio.to_thread(directory.close)


async def test_a_store_is_used_again(tmp_path: Path) -> None:
    await filled(tmp_path)
    assert await position(tmp_path) == 7


async def test_another_clusters_store_is_made_anew(tmp_path: Path) -> None:
    await filled(tmp_path)
    assert await position(tmp_path, cluster="another") == 0


async def test_a_store_idle_for_longer_than_deletions_are_kept_is_made_anew(tmp_path: Path) -> None:
    await filled(tmp_path)
    assert await position(tmp_path, deletions_kept_ms=-1) == 0


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST-*"])
async def test_a_damaged_store_is_made_anew(tmp_path: Path, name: str) -> None:
    path = await filled(tmp_path)
    for file in path.glob(name):
        file.write_bytes(b"rubbish")
    assert await position(tmp_path) == 0


async def test_damage_that_is_met_while_reading_is_mended_at_the_next_start(tmp_path: Path) -> None:
    records = {b"p%d" % i: RECORD for i in range(1000)}
    await damaged(tmp_path, records, slice(10, 200))
    async with opened(tmp_path) as store:
        with pytest.raises(StateError, match="it is damaged and will be rebuilt"):
            await store.get_many(list(records))
    assert await position(tmp_path) == 0


async def test_damage_that_is_met_while_opening_is_mended_at_once(tmp_path: Path) -> None:
    # So few records that what the store knows about itself lies in the block with them.
    await damaged(tmp_path, {b"p": RECORD}, slice(10, 60))
    assert await position(tmp_path) == 0


async def damaged(path: Path, records: dict[bytes, bytes], place: slice) -> None:
    """A store with these records in tables on disk, each of which has zeros in a place."""
    async with opened(path) as store:
        await store.apply(records, 7)
        await store.flush()
        store._database.flush()
    for file in store.path.glob("*.sst"):
        data = bytearray(file.read_bytes())
        data[place] = bytes(place.stop - place.start)
        file.write_bytes(data)


async def test_a_store_that_is_opened_again_reads_through_the_cache_that_all_stores_share(
    tmp_path: Path,
) -> None:
    directory = directory_at(tmp_path)
    store = await directory.open(0, deletions_kept_ms=DAY_MS, purged_kept_ms=0)
    records = {b"p%d" % i: encode_record(StateRecord(i)) for i in range(20_000)}
    await store.apply(records, 7)
    await store.flush()
    store._database.flush()
    await store.close()
    store = await directory.open(0, deletions_kept_ms=DAY_MS, purged_kept_ms=0)
    empty = directory.memory_used_bytes
    assert await store.get_many(list(records)) == records
    assert directory.memory_used_bytes > empty + sum(map(len, records.values()))
    newest = max(store.path.glob("OPTIONS-*")).read_text()
    assert "filter_policy=bloomfilter" in newest
    await store.close()
    await asyncio.to_thread(directory.close)


async def test_damage_that_cannot_be_marked_is_reported_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = {b"p%d" % i: RECORD for i in range(1000)}
    await damaged(tmp_path, records, slice(10, 200))
    async with opened(tmp_path) as store:
        monkeypatch.setattr(type(tmp_path), "touch", too_many_open_files)
        with pytest.raises(
            StateError, match=r"is damaged .* not be marked .*Too many open files.*: delete it"
        ):
            await store.get_many(list(records))
        monkeypatch.undo()


async def test_a_damaged_store_that_cannot_be_thrown_away_is_reported_as_every_store_that_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (await filled(tmp_path) / DAMAGED).touch()
    monkeypatch.setattr("processor.state.directory.shutil.rmtree", too_many_open_files)
    with pytest.raises(StateError, match="LimitNOFILE"):
        await position(tmp_path)


def too_many_open_files(*_: object, **__: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize("failure", [None, "IO error: While open a file: 8.log: Too many open files"])
async def test_a_store_that_is_open_only_when_nobody_wants_it_any_more_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str | None
) -> None:
    """As in a rebalance that goes on meanwhile. RocksDB opens a file where it closes what it has just made."""
    path = await filled(tmp_path)
    directory = directory_at(tmp_path)
    database = directory._database(path)
    close = mock.Mock(side_effect=Exception(failure) if failure else database.close)
    monkeypatch.setattr(directory, "_database", lambda _: mock.Mock(wraps=database, close=close))
    opening = asyncio.create_task(directory.open(0, deletions_kept_ms=DAY_MS, purged_kept_ms=0))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    close.assert_called_once_with()
    if failure is None:
        assert opening.cancelled()
    else:
        assert "LimitNOFILE" in str(opening.exception())
        database.close()
    await asyncio.to_thread(directory.close)
    assert await position(tmp_path, lock_wait_ms=0) == 7


async def test_a_directory_that_cannot_be_written_is_reported_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"PROCESSOR_STATE_DIRECTORY.*Name a directory") as refused:
        directory_at(tmp_path / "file")
    assert exit_code([refused.value]) == EXIT_BAD_CONFIGURATION


async def test_a_store_that_a_hanging_process_holds_costs_a_fresh_directory(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    program = (
        "import sys\nfrom rocksdict import Options, Rdict\n"
        "held = Rdict(sys.argv[1], Options(raw_mode=True))\nprint('held', flush=True)\nsys.stdin.read()\n"
    )
    holder = subprocess.Popen(  # noqa: ASYNC220  nothing else runs on this loop
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        assert await position(tmp_path, lock_wait_ms=0) == 0
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()
    assert len(list(path.parent.glob("0.*"))) == 1
    assert await position(tmp_path) == 7
    assert list(path.parent.glob("0.*")) == []


async def test_a_store_can_be_looked_at_while_it_is_used(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.apply({b"p": RECORD}, 7)
        await store.flush()
        looked_at = open_to_look(store.path)
        assert looked_at.get(b"p") == RECORD
        looked_at.close()


async def test_names_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    settings = StateSettings.model_validate({"directory": tmp_path})
    for name in ("..", ".", "../..", "a/b", ""):
        assert place_of(settings, name, name).resolve().is_relative_to(tmp_path)
        assert place_of(settings, name, "t") != place_of(settings, name + "x", "t")


async def test_stores_that_fill_together_are_due_at_times_of_their_own(tmp_path: Path) -> None:
    now_s = 0.0
    directory = directory_at(tmp_path, "c", lambda: now_s)
    written_at_s: dict[int, list[int]] = {}
    try:
        stores = [
            await directory.open(number, deletions_kept_ms=DAY_MS, purged_kept_ms=0) for number in range(8)
        ]
        for second in range(1, 31):
            now_s = float(second)
            for number, store in enumerate(stores):
                before = await asyncio.to_thread(figures_of, store.path)
                await store.apply({b"p": member(second)}, second)
                if (await asyncio.to_thread(figures_of, store.path)).position != before.position:
                    written_at_s.setdefault(number, []).append(second)
        for store in stores:
            await store.close()
    finally:
        await asyncio.to_thread(directory.close)
    assert sorted(written_at_s) == list(range(8))
    for seconds in written_at_s.values():
        assert all(later - earlier <= 11 for earlier, later in pairwise([0, *seconds, 30]))
    at_once = Counter(second for seconds in written_at_s.values() for second in seconds)
    assert max(at_once.values()) <= 2


async def test_what_comes_after_a_pause_waits_for_its_turn_as_well(tmp_path: Path) -> None:
    now_s = 0.0
    async with opened(tmp_path, 1, clock=lambda: now_s) as store:
        now_s = 1000.0
        await store.apply({b"p": member(1)}, 1)
        assert (await asyncio.to_thread(figures_of, store.path)).position == 0
        now_s = 1010.5
        await store.apply({b"p": member(2)}, 2)
        assert (await asyncio.to_thread(figures_of, store.path)).position == 2


async def test_one_store_is_written_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = directory_at(tmp_path)
    writing = most = 0

    def counted(write: Callable[..., None]) -> Callable[..., None]:
        def written(*arguments: object) -> None:
            nonlocal writing, most
            with lock:
                writing += 1
                most = max(most, writing)
            waiting.wait(0.05)
            write(*arguments)
            with lock:
                writing -= 1

        return written

    lock, waiting = threading.Lock(), threading.Event()
    try:
        stores = [
            await directory.open(number, deletions_kept_ms=DAY_MS, purged_kept_ms=0) for number in range(4)
        ]
        for store in stores:
            monkeypatch.setattr(store, "_written", counted(store._written))
            await store.apply({b"p": member(1)}, 1)
        await asyncio.gather(*(store.flush() for store in stores))
        for store in stores:
            assert (await asyncio.to_thread(figures_of, store.path)).position == 1
            await store.close()
    finally:
        await asyncio.to_thread(directory.close)
    assert most == 1
