"""Exports as they are shown before there are any: their shape, and nothing of what they say of a person."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processor.operations.masked_record import masked_record

MEMBERSHIP = {"ups": {"s1": {"lastQualificationTime": "2020-05-25T21:24:39Z", "status": "realized"}}}
TELLING = st.text("abcXYZäß0123456789", min_size=3, max_size=40).map(lambda text: f"q7{text}")
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(TELLING, st.integers(10, 10**12), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)
    ),
    max_leaves=20,
)


def shown(**members: Any) -> Any:
    return masked_record(json.dumps({**members, "segmentMembership": MEMBERSHIP, "identityMap": {}}).encode())


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


def test_memberships_stay_and_values_of_attributes_and_identities_are_masked() -> None:
    record = {
        "person": {"email": "Jane.Doe@example.com", "age": 42},
        "segmentMembership": MEMBERSHIP,
        "identityMap": {"email": [{"id": "jane@example.com", "primary": True}]},
    }
    assert masked_record(json.dumps(record).encode()) == {
        "person": {"email": "Xxxx.Xxx@xxxxxxx.xxx", "age": "99"},
        "segmentMembership": MEMBERSHIP,
        "identityMap": {"email": [{"id": "xxxx@xxxxxxx.xxx", "primary": "…"}]},
    }


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES))
def test_no_text_and_no_number_is_shown(members: dict[str, Any]) -> None:
    record = shown(**members)
    del record["segmentMembership"]
    told = json.dumps(record, ensure_ascii=False)
    for leaf in leaves(members):
        if isinstance(leaf, str):
            assert leaf not in told
        elif isinstance(leaf, int) and not isinstance(leaf, bool):
            # What is all nines is masked by others of as many digits, too.
            assert str(leaf) not in told or set(str(leaf)) == {"9"}


def test_what_is_empty_and_what_is_null_stay_so() -> None:
    record = shown(a={}, b=[], c=None, d={"e": None})
    assert (record["a"], record["b"], record["c"], record["d"]) == ({}, [], None, {"e": None})


def test_of_a_list_the_first_elements_are_shown() -> None:
    assert shown(a=["x1", "y2", "z3", "w4"])["a"] == ["x9", "x9", "x9", "…"]
    assert shown(a=["x1"])["a"] == ["x9"]


def test_of_a_large_record_the_first_values_are_shown() -> None:
    record = shown(a={f"n{number}": "text" for number in range(10_000)}, b={"c": "text"})
    assert len(record["a"]) == 501
    assert record["a"]["…"] == "…"
    assert record["b"] == {"…": "…"}
    assert record["segmentMembership"] == MEMBERSHIP


def test_a_deep_record_is_cut() -> None:
    deep: Any = "text"
    for _ in range(200):
        deep = {"a": deep}
    assert "{…}" in json.dumps(shown(a=deep), ensure_ascii=False)
