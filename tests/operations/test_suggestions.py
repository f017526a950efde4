"""What recent events suggest to map."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from processor.errors import Reason
from processor.operations.suggestions import SUGGESTED_MAX, Sample, Suggestions, masked, outermost
from tests.support.strategies import events

MEMBER = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
KEPT = {**MEMBER, "status": "existing"}
LEFT = {**MEMBER, "status": "exited"}


def suggested(*given: tuple[bytes | None, Any]) -> Suggestions:
    sample = Sample()
    for key, value in given:
        sample.add(key, value if value is None or isinstance(value, bytes) else json.dumps(value).encode())
    return sample.suggestions()


def profile(**members: Any) -> dict[str, Any]:
    return {"segmentMembership": {}, **members}


def test_segments_come_by_how_many_profiles_are_in_them() -> None:
    found = suggested(
        (b"1", {"segmentMembership": {"ups": {"few": MEMBER, "many": KEPT}, "crm": {"many": LEFT}}}),
        (b"2", {"segmentMembership": {"ups": {"few": LEFT, "many": {**MEMBER, "name": "Many"}}}}),
    )
    assert [(each.namespace, each.id, each.members, each.entries, each.name) for each in found.segments] == [
        ("ups", "many", 2, 2, "Many"),
        ("ups", "few", 1, 2, None),
        ("crm", "many", 0, 1, None),
    ]


def test_of_each_profile_its_latest_event_counts_and_a_deleted_one_counts_for_nothing() -> None:
    found = suggested((b"1", profile(old=1)), (b"1", profile(new=1)), (b"2", profile(gone=1)), (b"2", None))
    assert (found.events, found.profiles) == (4, 1)
    assert [each.path for each in found.attributes] == ["new"]


def test_attributes_are_the_paths_of_leaves_with_their_types_and_a_form() -> None:
    found = suggested(
        (
            b"1",
            profile(person={"email": "Ann.2@x.org", "tags": ["a", "b"]}, identityMap={"e": [{"id": "1"}]}),
        ),
        (b"2", profile(person={"email": None})),
    )
    assert [(each.path, each.kinds, each.present, each.example) for each in found.attributes] == [
        ("person.email", "text or null", 2, "Xxx.9@x.xxx"),
        ("person.tags", "array", 1, "[2]"),
    ]


def test_what_no_path_can_name_is_counted_and_not_suggested() -> None:
    found = suggested((b"1", profile(**{"a.b": 1, "": 2, "fine": {"c.d": 3, "e": 4}})))
    assert [each.path for each in found.attributes] == ["fine.e"]
    assert found.unnameable == 3


def test_segments_that_no_file_takes_are_not_suggested() -> None:
    found = suggested(
        (b"1", {"segmentMembership": {"": {"a": MEMBER}, "ups": {"": MEMBER, "a\0": MEMBER, "b": 1}}})
    )
    assert found.segments == ()


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"\xff\xfe", profile(), Reason.BAD_KEY),
        (b"", profile(), Reason.BAD_KEY),
        (None, profile(), Reason.BAD_KEY),
        (b"k" * 257, profile(), Reason.BAD_KEY),
        (b"1", b"{", Reason.BAD_JSON),
        (b"1", b"\xff", Reason.BAD_JSON),
        (b"1", b"[" * 100_000, Reason.BAD_JSON),
        (b"1", b'{"a": "\\ud800"}', Reason.BAD_JSON),
        (b"1", [], Reason.BAD_JSON),
        (b"1", {}, Reason.BAD_MEMBERSHIP),
        (b"1", {"segmentMembership": {"ups": 1}}, Reason.BAD_MEMBERSHIP),
    ],
)
def test_invalid_events_are_counted_and_skipped(key: bytes | None, value: Any, reason: Reason) -> None:
    found = suggested((key, value), (b"fine", profile(a=1)))
    assert dict(found.invalid) == {reason: 1}
    assert (found.events, found.profiles, len(found.attributes)) == (2, 1, 1)


def test_of_very_many_segments_and_attributes_the_most_frequent_are_suggested_and_the_others_counted() -> (
    None
):
    many = {str(number): MEMBER for number in range(100_000)}
    found = suggested(
        (b"1", {"segmentMembership": {"ups": many}, **{f"a{number}": 1 for number in range(1_000)}}),
        (b"2", {"segmentMembership": {"ups": {"99999": MEMBER}}, "a999": 1}),
    )
    assert len(found.segments) == len(found.attributes) == SUGGESTED_MAX
    assert (found.further_segments, found.further_attributes) == (
        100_000 - SUGGESTED_MAX,
        1_000 - SUGGESTED_MAX,
    )
    assert (found.segments[0].id, found.attributes[0].path) == ("99999", "a999")


def test_an_event_of_a_megabyte_is_shown_in_a_few_characters() -> None:
    (only,) = suggested((b"1", profile(note="secret " * 150_000))).attributes
    assert only.example == "xxxxxx xxxxxx xxxxxx xxx…"


@given(st.text(min_size=1) | st.integers() | st.floats())
@example("x")
@example("9")
@example("-")
@example("\x1b[2J")
def test_no_value_is_ever_shown_whole_and_none_reaches_the_terminal_raw(value: str | float) -> None:
    shown = masked(value)
    assert shown != value
    assert shown != str(value)
    assert shown.isprintable()
    assert not {each for each in shown if each.isalnum()} - set("xX9")


@given(st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(".".join)))
def test_outermost_paths_lie_in_none_of_each_other_and_all_others_lie_in_one(paths: list[str]) -> None:
    found = outermost(paths)
    assert not any(path.startswith(other + ".") for path in found for other in found)
    assert all(path in found or any(path.startswith(other + ".") for other in found) for path in paths)


@given(st.lists(events(), max_size=4))
def test_any_event_can_be_looked_at(given_events: list[Any]) -> None:
    found = suggested(*((each.key, each.value) for each in given_events))
    assert found.events == len(given_events)
