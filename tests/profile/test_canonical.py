"""Two texts have the same canonical bytes exactly when they are the same JSON value."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.profile.canonical import canonical, canonical_tree

NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.integers()
    | NUMBERS.map(float),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=3), children, max_size=4)
    ),
    max_leaves=12,
)


@given(NUMBERS, NUMBERS)
def test_numbers_are_equal_as_fractions_are(one: str, other: str) -> None:
    same = canonical(one.encode()) == canonical(other.encode())
    assert same == (Fraction(one) == Fraction(other))


@given(NUMBERS, st.integers(0, 5))
def test_a_number_is_the_same_in_any_spelling(number: str, zeros: int) -> None:
    mantissa, _, exponent = number.lower().partition("e")
    longer = (mantissa if "." in mantissa else mantissa + ".0") + "0" * zeros
    spelled = f"{longer}E{int(exponent or 0):+d}"
    assert canonical(spelled.encode()) == canonical(number.encode())
    assert canonical(f"[{spelled}]".encode()) == canonical(f"[{number}]".encode())


@pytest.mark.parametrize(
    ("spellings", "bytes_"),
    [
        (["0", "-0", "0.0", "-0.0", "0e9", "0e-9", "-0E+0"], "0"),
        (["7", "7.0", "70e-1", "0.7e1", "0.07E+02"], "7"),
        (["-7", "-7.0", "-70e-1", "-0.7e1"], "-7"),
        (["-0.5", "-5e-1", "-0.50", "-50E-02"], "-5e-1"),
        (["100", "1e2", "1E+2", "100.00", "10e1"], "100"),
        ([f"1e-{'9' * 4000}", f"0.1e-{'9' * 3999}8"], f"1e-{'9' * 4000}"),
    ],
)
def test_state_knows_a_number_by_these_bytes_in_every_release(spellings: list[str], bytes_: str) -> None:
    for spelling in spellings:
        assert canonical(spelling.encode()) == bytes_.encode()
        assert canonical(f"[[{spelling}]]".encode()) == f"[[{bytes_}]]".encode()
        assert canonical(f'{{"a":{spelling},"b":1.5}}'.encode()) == f'{{"a":{bytes_},"b":15e-1}}'.encode()


@given(TREES.filter(lambda tree: isinstance(tree, dict)), st.randoms())
def test_the_order_of_members_does_not_count(tree: dict[str, Any], rng: Any) -> None:
    members = list(tree.items())
    rng.shuffle(members)
    for ascii_only in (True, False):
        told = json.dumps(dict(members), ensure_ascii=ascii_only, separators=(",", ":")).encode()
        try:
            assert canonical(told) == canonical(json.dumps(tree, separators=(",", ":")).encode())
        except ValueError:  # a number that no double holds is refused in either order
            with pytest.raises(ValueError):  # noqa: PT011  orjson's own words
                canonical(json.dumps(tree, separators=(",", ":")).encode())


@given(st.lists(st.integers(0, 3), min_size=2, max_size=4))
def test_the_order_of_an_array_counts(items: list[int]) -> None:
    turned = items[::-1]
    same = canonical(json.dumps(items).encode()) == canonical(json.dumps(turned).encode())
    assert same == (items == turned)


@pytest.mark.parametrize(
    "raw",
    [
        rb'"\ud800"',
        b"[" * 1_100 + b"1.5" + b"]" * 1_100,
        rb'["\udc00"]',
        b"1e999",
        b"-1e999",
        b"[1e999]",
        b"1e" + b"9" * 4001,
        b"1e-" + b"9" * 4001,
    ],
)
def test_what_no_json_value_is_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  orjson's own words, or ours
        canonical(raw)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"[18446744073709551616]", b"[1844674407370955161.60e1]"),
        (b"[-0, 1]", b"[0.0, 1]"),
        (b"0", b"-0"),
        (b"-0.0", b"0e5"),
        (b"1e" + b"0" * 5_000 + b"2", b"100"),
        (b"5E-" + b"0" * 5_000 + b"2", b"0.05"),
        (b"9007199254740993", b"9007199254740993.0"),
        (b"100", b"1e2"),
    ],
)
def test_values_that_are_easily_taken_for_two(one: bytes, other: bytes) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"9007199254740992", b"9007199254740993"),
        (b"0.1", b"0.10000000000000000001"),
        (b"1", b'"1"'),
        (b"1", b"true"),
        (b"null", b'"null"'),
        (b"[]", b"{}"),
        (b"18446744073709551616", b"18446744073709551617"),
        (b"[18446744073709551616]", b"[18446744073709551617]"),
        (b"[-18446744073709551616]", b"[18446744073709551616]"),
        (b"[1.5]", b"[-1.5]"),
        (b"{}", b"[]"),
        (b"[[]]", b"[{}]"),
        (b'{"a":[],"b":1.5}', b'{"a":{},"b":1.5}'),
        (b"[1.5,[]]", b"[1.5]"),
    ],
)
def test_values_that_are_easily_taken_for_one(one: bytes, other: bytes) -> None:
    assert canonical(one) != canonical(other)


@given(TREES, st.integers(255, 800), st.sampled_from(["[%s]", '{"b":1,"a":%s}', '[{"x":%s}]']), st.booleans())
def test_deep_values_have_the_spelling_of_shallow_ones(
    tree: Any, levels: int, around: str, with_a_fraction: bool
) -> None:
    before, after = around.split("%s")
    levels //= around.count("[") + around.count("{")
    core = json.dumps([tree, 0.5] if with_a_fraction else [tree], separators=(",", ":")).encode()
    try:
        written = canonical(core)
    except ValueError:  # a number that no double holds
        return
    shallow = canonical(f'{before}"~"{after}'.encode()).decode()
    start, _, end = shallow.partition('"~"')
    deep = before.encode() * levels + core + after.encode() * levels
    assert canonical(deep) == start.encode() * levels + written + end.encode() * levels


@given(TREES)
def test_a_value_that_is_parsed_has_the_spelling_of_its_text(tree: Any) -> None:
    text = json.dumps(tree, separators=(",", ":")).encode()
    try:
        written = canonical(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011  orjson's own words
            canonical_tree(tree)
    else:
        assert canonical_tree(tree) == written


@pytest.mark.parametrize("tree", [float("nan"), float("inf"), [{"x": -float("inf")}], "\ud800", 10**400])
def test_what_no_text_says_has_no_spelling(tree: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  json's own words, or orjson's
        canonical_tree(tree)
