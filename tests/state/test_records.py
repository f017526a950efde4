"""State records in dictionaries: the compiled functions and the plain ones do the same."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.native import CORE, native
from processor.profile.state_record import encode_departed
from processor.state.records import drop_same, find, put

PROFILES = st.sampled_from([b"", b"p", b"q", b"\xc3\xa9", b"a profile whose id is longer than eight bytes"])
RECORDS = st.dictionaries(PROFILES, st.none() | st.binary(max_size=300))
OVERHEAD_BYTES = 200
EITHER_LIBRARY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["plain"] if CORE == "plain" else ["plain", "compiled"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.state.records.native", native if request.param == "compiled" else None)


@pytest.mark.usefixtures("library")
@EITHER_LIBRARY
@given(RECORDS, st.lists(PROFILES), RECORDS)
def test_what_is_known_is_found_and_the_rest_is_told_in_order(
    known: dict[bytes, bytes | None],
    profiles: list[bytes],
    before: dict[bytes, bytes | None],
) -> None:
    found = dict(before)
    assert find(known, profiles, found) == [profile for profile in profiles if profile not in known]
    assert found == before | {profile: known[profile] for profile in profiles if profile in known}


@pytest.mark.usefixtures("library")
@EITHER_LIBRARY
@given(RECORDS, RECORDS)
def test_what_is_put_replaces_what_was_and_tells_by_how_much_it_grew(
    before: dict[bytes, bytes | None],
    changes: dict[bytes, bytes | None],
) -> None:
    after = dict(before)
    grown_bytes, new = put(after, changes, OVERHEAD_BYTES)
    assert list(after.items()) == list((before | changes).items())
    assert grown_bytes == _held_bytes(after) - _held_bytes(before)
    assert new == [profile for profile in changes if profile not in before]


@pytest.mark.usefixtures("library")
def test_any_mapping_and_iterable_will_do() -> None:
    known, found = {b"p": b"1"}, dict[bytes, bytes | None]()
    assert find(MappingProxyType(known), iter([b"q", b"p"]), found) == [b"q"]
    assert found == {b"p": b"1"}
    assert put(known, MappingProxyType({b"p": b"12", b"q": b"3"}), OVERHEAD_BYTES) == (
        1 + OVERHEAD_BYTES + 2,
        [b"q"],
    )
    assert known == {b"p": b"12", b"q": b"3"}


@pytest.mark.usefixtures("library")
def test_the_objects_themselves_are_found_and_put() -> None:
    """A change is known again by its identity."""
    record = b"a record".join([b"", b""]) + b"of its own"
    known, found = dict[bytes, bytes | None](), dict[bytes, bytes | None]()
    put(known, {b"p": record}, OVERHEAD_BYTES)
    find(known, [b"p"], found)
    assert found[b"p"] is record


@pytest.mark.usefixtures("library")
def test_the_very_same_record_is_dropped_and_an_equal_one_stays() -> None:
    first = encode_departed(300, 0)
    later = bytes(bytearray(first))
    pending = {b"same": first, b"later": later, b"other": first}
    drop_same(pending, MappingProxyType({b"same": first, b"later": first, b"unknown": first}))
    assert list(pending) == [b"later", b"other"]
    drop_same(pending, {b"later": later, b"other": later})
    assert list(pending) == [b"other"]


def _held_bytes(held: dict[bytes, bytes | None]) -> int:
    return sum(OVERHEAD_BYTES + len(profile) + len(record or b"") for profile, record in held.items())
