"""Which shard a partition key goes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.kinesis.shards import Shard, ShardMap
from processor.native import native

HASH_KEYS = 1 << 128


def evenly(shards: int) -> ShardMap:
    width = HASH_KEYS // shards
    return ShardMap([Shard(str(at), at * width, (at + 1) * width - 1) for at in range(shards)])


def test_a_key_goes_to_the_shard_whose_range_has_its_md5() -> None:
    # MD5 of "a" is 0cc1…, of "b" 92eb…, of "c" 4a8a…
    assert evenly(4).places_of([b"a", b"b", b"c"]) == [0, 2, 1]


def test_a_range_has_its_first_key_and_not_the_one_before() -> None:
    first = 0x0CC175B9C0F1B6A831C399E269772661
    at_it = ShardMap([Shard("0", 0, first - 1), Shard("1", first, HASH_KEYS - 1)])
    behind_it = ShardMap([Shard("0", 0, first), Shard("1", first + 1, HASH_KEYS - 1)])
    assert at_it.places_of([b"a"]) == [1]
    assert behind_it.places_of([b"a"]) == [0]


def test_one_shard_has_every_key() -> None:
    assert evenly(1).places_of([b"a", b"b"]) == [0, 0]


@given(st.lists(st.binary(max_size=260), max_size=20), st.integers(1, 300))
def test_natively_every_key_has_the_same_place(keys: list[bytes], shards: int) -> None:
    shard_map = evenly(shards)
    assert shard_map.places_of(keys) == shard_map.plain_places_of(keys)


@pytest.mark.skipif(native is None, reason="plain Python alone is installed here")
def test_what_is_no_list_of_bytes_is_left_to_plain_python() -> None:
    assert native.places_of(["a"], b"") is None  # type: ignore[list-item]
    assert native.places_of((b"a",), b"") is None
