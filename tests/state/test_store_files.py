"""What stores take of the files that a process may have open."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from processor.errors import StateError
from processor.profile.state_record import encode_record
from processor.profile.structs import StateRecord
from processor.settings import StateSettings
from processor.state import open_files
from processor.state.directory import StateDirectory
from processor.state.store_errors import state_error
from processor.state.store_files import check_room, max_open_files
from tests.support.stores import DAY_MS, opened

if TYPE_CHECKING:
    from rocksdict import Options


def allow(monkeypatch: pytest.MonkeyPatch, files: int) -> None:
    monkeypatch.setattr(open_files, "limit", lambda: files)


def open_below(place: Path) -> list[str]:
    """The names of the files below `place` that this process has open."""
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            path = entry.readlink()
        except FileNotFoundError:
            continue
        if path.is_relative_to(place):
            names.append(path.name)
    return names


def record(number: int) -> bytes:
    return encode_record(StateRecord(number, identities=b"x" * 300))


@pytest.mark.parametrize(("files", "stores"), [(1_024, 180), (1_024, 600), (4_096, 700), (200, 23)])
def test_what_cannot_fit_is_refused_with_both_figures_and_the_remedy(
    monkeypatch: pytest.MonkeyPatch, files: int, stores: int
) -> None:
    allow(monkeypatch, files)
    with pytest.raises(StateError) as refused:
        check_room(stores)
    for told_of in (f"{stores} partitions", f"{files:,}", "LimitNOFILE", "ulimit", "run more workers"):
        assert told_of in str(refused.value)


@pytest.mark.parametrize(("files", "stores"), [(1_024, 160), (4_096, 600)])
def test_what_is_tight_is_said_and_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, files: int, stores: int
) -> None:
    allow(monkeypatch, files)
    with structlog.testing.capture_logs() as lines:
        check_room(stores)
    (line,) = lines
    assert (line["log_level"], line["partitions"], line["limit"]) == ("warning", stores, files)
    assert "LimitNOFILE" in line["remedy"]


@pytest.mark.parametrize(("files", "stores"), [(1_024, 48), (20_000, 600), (1 << 20, 5_000), (1_024, 0)])
def test_where_there_is_ample_room_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, files: int, stores: int
) -> None:
    allow(monkeypatch, files)
    with structlog.testing.capture_logs() as lines:
        check_room(stores)
    assert lines == []


@pytest.mark.parametrize("stores", [1, 8, 48, 180, 600, 5_000])
@pytest.mark.parametrize("files", [1_024, 4_096, 20_000, 1 << 20])
def test_all_stores_together_keep_within_the_limit_wherever_there_is_ample_room(
    monkeypatch: pytest.MonkeyPatch, files: int, stores: int
) -> None:
    allow(monkeypatch, files)
    each = max_open_files(stores)
    assert 20 <= each <= 510, "RocksDB takes no less, and no store has use for more"
    with structlog.testing.capture_logs() as lines:
        try:
            check_room(stores)
        except StateError:
            return
    if not lines:
        assert stores * (each - 10 + 6) <= files


async def test_a_store_at_rest_has_as_many_files_open_as_are_counted(tmp_path: Path) -> None:
    async with opened(tmp_path):
        assert len(open_below(tmp_path)) == 6


async def test_a_store_of_many_tables_keeps_to_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, 256)
    options = StateDirectory._options

    def with_small_tables(directory: StateDirectory) -> Options:
        made = options(directory)
        made.set_write_buffer_size(256 << 10)
        made.set_target_file_size_base(64 << 10)
        return made

    monkeypatch.setattr(StateDirectory, "_options", with_small_tables)
    async with opened(tmp_path) as store:
        for first in range(0, 40_000, 2_000):
            await store.apply({b"p%d" % n: record(n) for n in range(first, first + 2_000)}, first + 2_000)
            await store.flush()
        # By itself RocksDB comes to it when it has the time.
        await asyncio.to_thread(store._database.compact_range, None, None)
        await store.get_many([b"p%d" % n for n in range(0, 40_000, 7)])
        tables = len(list(store.path.glob("*.sst")))
        assert tables > 30, "it has more than it may have open"
        # A compaction in the background has its own open while it runs.
        while len([name for name in open_below(tmp_path) if name.endswith(".sst")]) > 12:
            await asyncio.sleep(0.02)


async def test_many_stores_leave_the_write_buffers_to_those_that_write(tmp_path: Path) -> None:
    """Of RocksDB's own reservation, a MiB a store, three would fill them, and each write become a file."""
    directory = await asyncio.to_thread(
        StateDirectory,
        StateSettings.model_validate({"directory": tmp_path, "memory_bytes": 16 << 20}),
        "group",
        "topic",
        "cluster",
        partitions=100,
    )
    try:
        stores = [await directory.open(n, deletions_kept_ms=DAY_MS, purged_kept_ms=DAY_MS) for n in range(10)]
        for turn in range(10):
            for store in stores:
                await store.apply({b"p%d" % turn: record(turn)}, turn + 1)
                await store.flush()
        written = [path.name for path in tmp_path.rglob("*.sst")]
        for store in stores:
            await store.close()
    finally:
        await asyncio.to_thread(directory.close)
    assert written == []


@pytest.mark.parametrize(
    "text",
    [
        "IO error: while open a file for lock: /state/7/LOCK: Too many open files",
        "IO error: While open a file for appending: /state/9/000011.log: Too many open files in system",
    ],
)
def test_a_store_that_cannot_open_a_file_is_reported_with_the_remedy_and_alike_for_all(text: str) -> None:
    told_of = str(state_error(Exception(text), Path("/state/7")))
    assert "LimitNOFILE" in told_of
    assert "/state" not in told_of
