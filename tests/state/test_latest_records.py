"""The latest record of each profile: the compiled table and the plain dictionary do the same."""

from __future__ import annotations

import sys
from collections import OrderedDict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.native import CORE, native
from processor.state.latest_records import CompiledRecords, PlainRecords, latest_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from processor.state.latest_records import LatestRecords

OVERHEAD_BYTES = 200
EITHER_LIBRARY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
compiled_alone = pytest.mark.skipif(native is None, reason="plain Python alone is installed here")


def crowded_profiles(places: int, first: int, last: int) -> list[bytes]:
    """Profiles that all belong at a few of so many places, from `first` to `last`."""
    numbered = (b"%d" % number for number in range(100_000))
    return [each for each in numbered if first <= hash(each) % places <= last][:60]


# The least table has 64 places: of these, some are behind its last one, at its beginning.
CROWDED = [*crowded_profiles(64, 61, 63)[:15], *crowded_profiles(64, 0, 1)[:15]]
PROFILES = st.sampled_from([b"", b"\xc3\xa9", b"a profile whose id is longer than eight bytes", *CROWDED])
RECORDS = st.dictionaries(PROFILES, st.binary(max_size=300))


@pytest.fixture(params=["plain"] if CORE == "plain" else ["plain", "compiled"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = native if request.param == "compiled" else None
    monkeypatch.setattr("processor.state.latest_records.native", chosen)
    monkeypatch.setattr("processor.state.records.native", chosen)


def holding(held: Mapping[bytes, bytes]) -> LatestRecords:
    records = latest_records()
    records.put(held, 0)
    return records


def all_of(records: LatestRecords) -> dict[bytes, bytes]:
    return dict(zip(*records.in_order(), strict=True))


def another(text: bytes) -> bytes:
    """Equal bytes that are another object; of less than two bytes there is one object alone."""
    return bytes(bytearray(text))


@compiled_alone
def test_they_are_in_a_table_where_the_core_is_compiled_and_else_in_a_dictionary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert isinstance(latest_records(), CompiledRecords)
    monkeypatch.setattr("processor.state.latest_records.native", None)
    assert isinstance(latest_records(), PlainRecords)


@pytest.mark.usefixtures("library")
def test_an_empty_one_has_nothing_and_takes_nothing_amiss() -> None:
    records, found = latest_records(), dict[bytes, bytes | None]()
    assert len(records) == 0
    assert b"p" not in records
    assert records.find([b"q", b"p"], found) == [b"q", b"p"]
    assert found == {}
    records.drop_same({b"p": b"1"})
    assert records.put({}, OVERHEAD_BYTES) == (0, [])
    assert records.in_order() == ([], [])


@pytest.mark.usefixtures("library")
@EITHER_LIBRARY
@given(RECORDS, st.lists(PROFILES), RECORDS)
def test_what_is_there_is_found_and_the_rest_is_told_in_order_as_often_as_it_was_asked_for(
    held: dict[bytes, bytes], profiles: list[bytes], before: dict[bytes, bytes | None]
) -> None:
    found = dict(before)
    assert holding(held).find(profiles, found) == [profile for profile in profiles if profile not in held]
    assert found == before | {profile: held[profile] for profile in profiles if profile in held}


@pytest.mark.usefixtures("library")
@EITHER_LIBRARY
@given(RECORDS, RECORDS)
def test_what_is_put_replaces_what_was_and_tells_by_how_much_it_grew(
    before: dict[bytes, bytes], changes: dict[bytes, bytes]
) -> None:
    records = holding(before)
    grown_bytes, new = records.put(changes, OVERHEAD_BYTES)
    assert all_of(records) == before | changes
    assert grown_bytes == _held_bytes(before | changes) - _held_bytes(before)
    assert new == [profile for profile in changes if profile not in before]


@pytest.mark.usefixtures("library")
@EITHER_LIBRARY
@given(st.lists(st.tuples(RECORDS, RECORDS, st.sets(PROFILES))))
def test_whatever_is_put_and_dropped_they_are_what_a_dictionary_is(
    steps: list[tuple[dict[bytes, bytes], dict[bytes, bytes], set[bytes]]],
) -> None:
    records, model = latest_records(), dict[bytes, bytes]()
    for changes, of_no_account, dropped in steps:
        records.put(changes, OVERHEAD_BYTES)
        model |= changes
        # The very same of some profiles, and what is not the same, or of no profile here, of others.
        drop = of_no_account | {profile: model[profile] for profile in dropped if profile in model}
        records.drop_same(drop)
        model = {profile: record for profile, record in model.items() if drop.get(profile) is not record}
        profiles, latest = records.in_order()
        assert profiles == sorted(model)
        assert len(records) == len(model)
        assert all(record is model[profile] for profile, record in zip(profiles, latest, strict=True))
        found: dict[bytes, bytes | None] = {}
        assert records.find(CROWDED, found) == [profile for profile in CROWDED if profile not in model]
        assert found == {profile: model[profile] for profile in CROWDED if profile in model}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("turn", [lambda each: each, reversed], ids=["from the first", "from the last"])
def test_profiles_that_belong_at_one_place_are_found_whichever_of_them_are_dropped(
    turn: Callable[[list[bytes]], Iterator[bytes]],
) -> None:
    held = {profile: b"record of " + profile for profile in CROWDED}
    records = holding(held)
    for profile in turn(CROWDED):
        records.drop_same({profile: held.pop(profile)})
        found: dict[bytes, bytes | None] = {}
        assert profile not in records
        assert set(records.find(CROWDED, found)) == set(CROWDED) - held.keys()
        assert found == held
    assert len(records) == 0


@pytest.mark.usefixtures("library")
def test_many_are_kept_apart_while_they_grow_and_dwindle_and_grow_again() -> None:
    held: dict[bytes, bytes] = {}
    records = latest_records()
    for number in [*range(0, 40_000, 5_000), *range(0, 10_000, 1_000)]:
        changes = {b"%d" % each: b"record %d" % each for each in range(number, number + 5_000)}
        grown_bytes, new = records.put(changes, OVERHEAD_BYTES)
        assert grown_bytes == _held_bytes(held | changes) - _held_bytes(held)
        assert new == [profile for profile in changes if profile not in held]
        held |= changes
        if len(held) >= 40_000:
            dropped = dict(list(held.items())[:-3])
            records.drop_same(dropped)
            held = {profile: record for profile, record in held.items() if profile not in dropped}
        assert len(records) == len(held)
        assert records.in_order() == (sorted(held), [held[profile] for profile in sorted(held)])
        found: dict[bytes, bytes | None] = {}
        wanted = [b"%d" % each for each in range(0, 50_000, 7)]
        assert records.find(wanted, found) == [profile for profile in wanted if profile not in held]
        assert found == {profile: held[profile] for profile in wanted if profile in held}


@compiled_alone
@pytest.mark.parametrize("burst", [5_000, 60_000])
@pytest.mark.parametrize("steady", [0, 1, 300])
def test_memory_that_a_burst_took_is_given_back_when_fewer_are_there_for_a_while(
    burst: int, steady: int
) -> None:
    records, never_more = CompiledRecords(), CompiledRecords()
    stays = {b"it stays %d" % number: b"record of %d" % number for number in range(steady)}
    records.put(stays, 0)
    never_more.put(stays, 0)
    for _ in range(2):
        come_and_gone = {b"%d" % number: b"record %d" % number for number in range(burst)}
        records.put(come_and_gone, 0)
        taken_bytes = native.table_size_bytes(records._table)
        records.drop_same(come_and_gone)
        assert native.table_size_bytes(records._table) == taken_bytes, "another may come soon"
        for number in range(200):
            again = {b"steady": b"record of %d" % number}
            records.put(again, 0)
            records.drop_same(again)
            assert all_of(records) == stays
        left_bytes = native.table_size_bytes(records._table)
        assert left_bytes < max(4 * native.table_size_bytes(never_more._table), 10_000)
        assert left_bytes * 4 <= taken_bytes
        found: dict[bytes, bytes | None] = {}
        assert records.find([*stays, *come_and_gone], found) == [*come_and_gone]
        assert found == stays


@compiled_alone
@pytest.mark.parametrize("many", [200, 5_000])
def test_memory_is_kept_while_as_many_come_again_and_again(many: int) -> None:
    records = CompiledRecords()
    come_and_go = {b"%d" % number: b"record %d" % number for number in range(many)}
    sizes_bytes = set[int]()
    for _ in range(300):
        records.put(come_and_go, 0)
        sizes_bytes.add(native.table_size_bytes(records._table))
        records.drop_same(come_and_go)
        sizes_bytes.add(native.table_size_bytes(records._table))
    assert len(sizes_bytes) == 1


@pytest.mark.usefixtures("library")
def test_the_very_objects_that_were_put_are_found() -> None:
    first, later = another(b"record"), another(b"record")
    records, found = holding({b"p": first, b"q": first}), dict[bytes, bytes | None]()
    assert records.put({b"p": later}, OVERHEAD_BYTES) == (0, [])
    records.find([b"p", b"q"], found)
    assert found[b"p"] is later
    assert found[b"q"] is first
    _, latest = records.in_order()
    assert latest[0] is later
    assert latest[1] is first


@pytest.mark.usefixtures("library")
def test_a_profile_is_found_by_equal_bytes() -> None:
    records = holding({another(b"profile"): b"1"})
    assert another(b"profile") in records
    assert records.put({another(b"profile"): b"2"}, OVERHEAD_BYTES) == (0, [])
    assert records.in_order() == ([b"profile"], [b"2"])


@pytest.mark.usefixtures("library")
def test_the_very_same_record_is_dropped_and_an_equal_one_stays() -> None:
    first, later = another(b"record"), another(b"record")
    records = holding({b"same": first, b"later": later, b"other": first})
    records.drop_same({b"same": first, b"later": first, b"unknown": first})
    assert records.in_order()[0] == [b"later", b"other"]
    records.drop_same({b"later": later, b"other": later})
    assert records.in_order()[0] == [b"other"]


@pytest.mark.usefixtures("library")
def test_they_are_in_the_order_of_their_bytes_each_beside_its_record() -> None:
    profiles = [b"", b"\x00", b"\x00\x00", b"\x7f", b"\x80", b"a", b"a\x00", b"ab", b"b", b"\xff"]
    records = holding({profile: b"record of " + profile for profile in reversed(profiles)})
    assert records.in_order() == (
        sorted(profiles),
        [b"record of " + profile for profile in sorted(profiles)],
    )


@pytest.mark.usefixtures("library")
def test_any_mapping_and_iterable_will_do() -> None:
    records, found = latest_records(), dict[bytes, bytes | None]()
    changes = {b"p": b"1", b"q": b"23"}
    assert records.put(MappingProxyType(changes), OVERHEAD_BYTES) == (
        2 * OVERHEAD_BYTES + 5,
        [b"p", b"q"],
    )
    assert records.put(OrderedDict([(b"r", b""), (b"p", b"4")]), OVERHEAD_BYTES) == (
        OVERHEAD_BYTES + 1,
        [b"r"],
    )
    for profiles in (iter([b"s", b"q"]), (b"s", b"q"), {b"s": 1, b"q": 2}.keys()):
        found.clear()
        assert records.find(profiles, found) == [b"s"]
        assert found == {b"q": b"23"}
    records.drop_same(MappingProxyType(changes))
    assert all_of(records) == {b"p": b"4", b"r": b""}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("profile", ["p", None, 3, (b"p",)])
def test_what_is_no_bytes_is_no_profile_of_theirs(profile: object) -> None:
    assert profile not in holding({b"p": b"1"})


@compiled_alone
@pytest.mark.parametrize("profile", ["p", "absent", 3, None, (b"p",)])
def test_the_table_refuses_profiles_that_are_no_bytes_and_is_as_it_was(profile: Any) -> None:
    records, found = CompiledRecords(), dict[bytes, bytes | None]()
    records.put({b"p": b"1"}, 0)
    with pytest.raises(TypeError):
        records.find([b"p", profile], found)
    with pytest.raises(TypeError):
        records.put({b"q": b"2", profile: b"3"}, 0)
    with pytest.raises(TypeError):
        records.drop_same({b"p": b"1", profile: b"3"})
    assert (found, all_of(records)) == ({}, {b"p": b"1"})
    assert records.put({b"q": b"2"}, 0) == (2, [b"q"])


@compiled_alone
def test_the_table_refuses_records_that_are_no_bytes_and_is_as_it_was() -> None:
    records = CompiledRecords()
    records.put({b"p": b"1"}, 0)
    changes: Any = {b"q": b"2", b"p": b"3", b"r": None}
    with pytest.raises(TypeError):
        records.put(changes, 0)
    assert all_of(records) == {b"p": b"1"}


@compiled_alone
@pytest.mark.parametrize("call", ["find", "put", "drop_same"])
def test_the_table_is_as_it_was_where_what_it_is_asked_with_is_of_another_kind(call: str) -> None:
    records = CompiledRecords()
    records.put({b"p": b"1"}, 0)
    calls: dict[str, Callable[[], object]] = {
        "find": lambda: native.table_find(records._table, (b"p",), {}),  # type: ignore[arg-type]
        "put": lambda: native.table_put(records._table, [(b"p", b"2")], 0),  # type: ignore[arg-type]
        "drop_same": lambda: native.table_drop_same(records._table, [b"p"]),  # type: ignore[arg-type]
    }
    with pytest.raises((TypeError, SystemError)):
        calls[call]()
    assert all_of(records) == {b"p": b"1"}


@compiled_alone
@pytest.mark.parametrize("position", [0, 1, 150, 299])
@pytest.mark.parametrize("by", ["hash", "equality", "what was found before"])
def test_the_profiles_that_are_asked_for_may_be_dropped_while_they_are_looked_for(
    position: int, by: str
) -> None:
    held = {b"profile %d" % number: b"record %d" % number for number in range(200)}
    records = CompiledRecords()
    records.put(held, 0)
    expected = [b"profile %d" % number for number in range(300)]
    profiles = [another(profile) for profile in expected]
    found: Any = {}
    seen: list[int] = []

    def interfere(*_: object) -> int:
        profiles.clear()
        seen.append(len(records))
        return hash(expected[position])

    class Hashed(bytes):
        __hash__ = interfere

    class Compared:
        def __hash__(self) -> int:
            return hash(expected[position])

        def __eq__(self, other: object) -> bool:
            return bool(interfere()) and False

    class Freed:
        __del__ = interfere

    if by == "hash":
        profiles[position] = Hashed(expected[position])
    elif by == "equality":
        found[Compared()] = b"of no account"
    else:
        found[expected[position]] = Freed()
    unknown = native.table_find(records._table, profiles, found)
    assert unknown == expected[200:]
    assert {profile: found.get(profile) for profile in held} == held
    if by != "what was found before" or position < 200:
        assert set(seen) <= {200}
    assert all_of(records) == held


@compiled_alone
@pytest.mark.parametrize("call", ["put", "drop_same"])
def test_what_a_record_runs_when_it_is_freed_may_ask_for_the_records(call: str) -> None:
    seen: list[dict[bytes, bytes]] = []

    class Freed(bytes):
        def __del__(self) -> None:
            seen.append(all_of(records))

    records = CompiledRecords()
    records.put({b"p": Freed(b"1"), b"q": b"2"}, 0)
    if call == "put":
        records.put({b"p": b"3", b"r": b"4"}, 0)
        expected = {b"p": b"3", b"q": b"2", b"r": b"4"}
    else:
        found: dict[bytes, bytes | None] = {}
        records.find([b"p"], found)
        changes: Any = {b"p": found[b"p"], b"q": b"of no account"}
        records.drop_same(changes)
        expected = {b"q": b"2"}
        assert seen == [], "the change has it still"
        del changes
        found.clear()
    assert seen == [expected]
    assert all_of(records) == expected


@pytest.mark.usefixtures("library")
def test_no_reference_is_left_to_what_was_replaced_or_dropped_or_went_with_them() -> None:
    profiles = [another(b"profile %d" % number) for number in range(300)]
    former, latest = ([another(b"record %d" % number) for number in range(300)] for _ in range(2))
    nobody_has_them = _references(profiles)
    they_alone_have_them = [count + 1 for count in nobody_has_them]
    records = latest_records()
    records.put(dict(zip(profiles, former, strict=True)), OVERHEAD_BYTES)
    records.put(dict(zip(profiles, latest, strict=True)), OVERHEAD_BYTES)
    assert _references(former) == nobody_has_them
    records.find([*profiles, b"of no account"], {})
    records.in_order()
    assert _references(profiles) == they_alone_have_them
    assert _references(latest) == they_alone_have_them
    records.drop_same(dict(zip(profiles[:200], latest, strict=False)))
    records.drop_same(dict(zip(profiles, former, strict=True)))
    expected = nobody_has_them[:200] + they_alone_have_them[200:]
    assert _references(profiles) == expected
    assert _references(latest) == expected
    del records
    assert _references(profiles) == _references(latest) == nobody_has_them


@compiled_alone
def test_no_reference_is_left_to_what_the_table_refused() -> None:
    records, found = CompiledRecords(), dict[bytes, bytes | None]()
    profile, record, of_another_kind = another(b"profile"), another(b"record"), "of another kind"
    before = sys.getrefcount(profile), sys.getrefcount(record)
    changes: Any
    for changes in ({profile: record, b"q": None}, {profile: record, of_another_kind: b"1"}):
        with pytest.raises(TypeError):
            records.put(changes, 0)
        with pytest.raises(TypeError):
            records.find([profile, of_another_kind], found)  # type: ignore[list-item]
    del changes
    assert (sys.getrefcount(profile), sys.getrefcount(record)) == before


def _references(objects: list[bytes]) -> list[int]:
    return [sys.getrefcount(each) for each in objects]


def _held_bytes(held: Mapping[bytes, bytes]) -> int:
    return sum(OVERHEAD_BYTES + len(profile) + len(record) for profile, record in held.items())
