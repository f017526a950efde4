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

from processor.backfill.note import BackfillNote, encode_note
from processor.errors import StateUnavailable
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


async def test_a_profile_that_a_backfill_took_out_is_listed_and_purged_with_its_number(store: Store) -> None:
    await store.apply({b"p": encode_departed(3, 2), b"q": encode_departed(3)}, 2)
    assert sorted(await store.departed_before(4, 10)) == [Departed(b"p", 3, 2), Departed(b"q", 3, 0)]
    await store.flush()
    assert sorted(await store.departed_before(4, 10)) == [Departed(b"p", 3, 2), Departed(b"q", 3, 0)]
    await store.purge([Departed(b"p", 3, 2)], 3)
    assert await store.departed_before(4, 10) == [Departed(b"q", 3)]


async def test_a_profile_may_depart_at_the_offset_of_its_last_record_again_and_again(store: Store) -> None:
    """Backfills without an event between them bear one offset."""
    await store.apply({b"p": encode_departed(3)}, 1)
    await store.flush()
    await store.purge([Departed(b"p", 3)], 2)
    await store.apply({b"p": member(3)}, 3)
    assert await store.departed_before(4, 10) == []
    await store.apply({b"p": encode_departed(3, 4)}, 4)
    await store.flush()
    assert await store.departed_before(4, 10) == [Departed(b"p", 3, 4)]


@pytest.mark.parametrize("is_flushed", [False, True])
async def test_of_a_backfills_records_and_those_of_events_the_highest_offset_is_known(
    store: Store, *, is_flushed: bool
) -> None:
    await store.apply({b"p": member(4), b"q": encode_departed(9, 1)}, 2)
    if is_flushed:
        await store.flush()
    assert store.highest_offset == 9


NOTE = encode_note(BackfillNote(3, "abc", False))


async def test_the_note_of_backfills_is_remembered_until_the_store_is_cleared(store: Store) -> None:
    notes = [store.backfill]
    store.note(backfill=NOTE)
    store.note(consumed=5)
    await store.apply({b"p": member(3)}, 1)
    notes.append(store.backfill)
    await store.clear()
    notes.append(store.backfill)
    assert notes == [None, NOTE, None]


async def test_profiles_are_marked_once(store: Store) -> None:
    assert await store.mark([b"p", b"q"]) == {b"p", b"q"}
    assert await store.mark([b"q", b"r"]) == {b"r"}
    assert await store.mark([b"p", b"q", b"r"]) == set()
    assert await store.mark([]) == set()
    await store.clear_marks()
    assert await store.mark([b"p"]) == {b"p"}


async def test_any_key_may_be_marked(store: Store) -> None:
    """An event's key is what its producer says."""
    keys = [b"", b"\xff\x00", b"\xff\x08", b"\xff\x09", b"\xff\xff", b"p" * 100_000]
    await store.apply({b"p": member(1)}, 1)
    assert await store.mark(keys) == set(keys)
    assert await store.mark([*keys, b"q"]) == {b"q"}
    await store.clear_marks()
    await store.flush()
    assert (store.position, await store.get_many([b"p"])) == (1, {b"p": member(1)})


async def test_what_the_store_knows_about_itself_is_no_profiles_record(store: Store) -> None:
    store.note(changelog="id", consumed=5, backfill=NOTE)
    await store.apply({b"p": member(1), b"q": encode_departed(2)}, 1, "stream")
    await store.mark([b"p"])
    await store.flush()
    keys = [b"\xff%c" % number for number in range(10)]
    assert await store.get_many([b"p", *keys]) == {b"p": member(1), **dict.fromkeys(keys)}


async def test_a_cleared_store_has_no_marks(store: Store) -> None:
    await store.mark([b"p"])
    await store.clear()
    assert await store.mark([b"p"]) == {b"p"}


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_members_without_a_mark_are_counted_in_parts(store: Store, limit: int) -> None:
    profiles = [b"a", b"b", b"b\x00", b"bb", b"c", "\U0010ffff".encode()]
    await store.apply({profile: member(number) for number, profile in enumerate(profiles)}, 1)
    await store.apply({b"b": encode_departed(9), b"left": encode_departed(8, 1)}, 2)
    store.note(backfill=NOTE)
    await store.mark([b"a", b"c", b"unknown"])
    await store.flush()
    counted, after, parts = 0, b"", 0
    while True:
        found, last = await store.unmarked(after, limit)
        counted, parts = counted + found, parts + 1
        if last is None:
            break
        assert last > after
        after = last
    assert counted == 3
    assert parts == -(-7 // limit)


async def test_a_new_store_has_nobody_without_a_mark(store: Store) -> None:
    assert await store.unmarked(b"", 10) == (0, None)


async def test_marks_and_records_do_not_meet(store: Store) -> None:
    await store.mark([b"p", b"q"])
    assert await store.get_many([b"p"]) == {b"p": None}
    await store.apply({b"p": member(1)}, 1)
    await store.flush()
    assert await store.unmarked(b"", 10) == (0, None)
    await store.clear_marks()
    assert await store.get_many([b"p"]) == {b"p": member(1)}
    assert await store.unmarked(b"", 10) == (1, None)


async def test_the_note_of_backfills_outlives_the_store_that_is_closed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store.note(backfill=NOTE)
        await store.apply({}, 1)
    async with opened(tmp_path) as store:
        assert (store.backfill, store.position) == (NOTE, 1)
        store.note(backfill=encode_note(BackfillNote(4, "abc", True)))
        assert store.backfill != NOTE
    async with opened(tmp_path) as store:
        assert store.backfill == encode_note(BackfillNote(4, "abc", True)), "also without any other news"


async def test_a_crash_takes_the_note_together_with_the_position_that_is_behind_it(tmp_path: Path) -> None:
    crashed = tmp_path / "crashed"
    async with opened(tmp_path) as store:
        await store.apply({b"p": member(1)}, 1)
        await store.flush()
        store.note(backfill=NOTE)
        await store.apply({}, 2)
        shutil.copytree(store.path, crashed / store.path.relative_to(tmp_path))
    async with opened(crashed) as store:
        assert (store.position, store.backfill) == (1, None)


async def test_marks_of_a_former_life_are_there_until_they_are_cleared(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.mark([b"p"])
    async with opened(tmp_path) as store:
        assert await store.mark([b"p", b"q"]) == {b"q"}
        await store.clear_marks()
        assert await store.mark([b"p", b"q"]) == {b"p", b"q"}


async def test_a_profile_that_a_backfill_took_out_is_forgotten_as_any_other(tmp_path: Path) -> None:
    async with opened(tmp_path, purged_kept_ms=DAY_MS) as store:
        await store.apply({b"p": encode_departed(3, 2)}, 1)
        await store.purge([Departed(b"p", 3, 2)], 2)
    async with opened(tmp_path, purged_kept_ms=-1) as store:
        assert await store.get_many([b"p"]) == {b"p": encode_departed(3, 2)}
        await store.purge([], 3)
        await store.flush()
        assert await store.get_many([b"p"]) == {b"p": None}


async def test_marks_are_taken_one_after_the_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        keys = [b"%d" % number for number in range(100)]
        one, other = await asyncio.gather(store.mark(keys), store.mark(keys[::-1]))
        assert (one, other) == (set(keys), set())


async def test_a_disk_that_takes_no_marks_is_said_to_be_full(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with files_limited_to(0), pytest.raises(StateUnavailable, match="the disk is full: make room"):
            await store.mark([b"p"])
        assert "the disk is full" in (store.trouble or "")


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


async def test_what_was_and_what_is_of_a_profile_are_not_both_in_memory(tmp_path: Path) -> None:
    profiles = [b"%d" % number for number in range(100)]
    async with opened(tmp_path) as store:
        await store.get_many(profiles)
        await store.apply(dict.fromkeys(profiles, member(1)), 1)
        await store.flush()
        remembered = store.memory_bytes
        await store.apply(dict.fromkeys(profiles, member(2)), 2)
        changed = store.memory_bytes
        await store.apply(dict.fromkeys(profiles, member(3)), 3)
        assert await store.get_many(profiles) == dict.fromkeys(profiles, member(3))
        assert changed == store.memory_bytes == 2 * remembered - 100 * len(member(1))
        await store.flush()
        assert await store.get_many(profiles) == dict.fromkeys(profiles, member(3))
        assert store.memory_bytes == remembered


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


async def backfilled(rng: random.Random, model: Store, store: Store, profiles: list[bytes]) -> None:
    """What a backfill does in both."""
    if rng.random() < 0.3:
        for each in (model, store):
            await each.clear_marks()
    met = rng.sample(profiles, 2)
    assert await store.mark(met) == await model.mark(met)
    note = encode_note(BackfillNote(rng.randrange(100), "abc", False))
    for each in (model, store):
        each.note(backfill=note)


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
            match rng.randrange(7):
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
                case 5:
                    await backfilled(rng, model, store, profiles)
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
            assert store.backfill == model.backfill
        await store.flush()
        assert (await store.unmarked(b"", 9))[0] == (await model.unmarked(b"", 9))[0]
        await store.close()
        await asyncio.to_thread(directory.close)

    with tempfile.TemporaryDirectory() as path:
        asyncio.run(live(Path(path)))
