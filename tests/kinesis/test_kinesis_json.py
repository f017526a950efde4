"""Answers to PutRecords as they were seen in the field: what counts is what each record's own result says."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.kinesis.answer_protocol import Posted
from processor.kinesis.fault import read_fault
from processor.kinesis.kinesis_json import (
    Unreadable,
    read_answer,
    read_facts,
    read_shards,
    unpacked,
)

THROTTLED = "ProvisionedThroughputExceededException"
ABSENT = object()


def result(code: str | None, *, nulls: bool = False) -> dict[str, Any]:
    if code is not None:
        return {"ErrorCode": code, "ErrorMessage": "slow down"} | (
            {"SequenceNumber": None, "ShardId": None} if nulls else {}
        )
    stored = {
        "SequenceNumber": "49590338271490256608559692538361571095921575989136588898",
        "ShardId": "shardId-000000000000",
    }
    return stored | ({"ErrorCode": None, "ErrorMessage": None} if nulls else {})


def answer(codes: list[str | None], count: object = ABSENT, *, nulls: bool = False) -> bytes:
    tree: dict[str, Any] = {"Records": [result(code, nulls=nulls) for code in codes]}
    if count is not ABSENT:
        tree["FailedRecordCount"] = count
    if nulls:
        tree["EncryptionType"] = None
    return json.dumps(tree).encode()


@given(
    st.lists(
        st.sampled_from([None, None, THROTTLED, "InternalFailure", "OfTheFuture"]), min_size=1, max_size=20
    ),
    st.sampled_from(["right", "absent", "null", "zero", "fewer", "text"]),
    st.booleans(),
)
def test_each_records_own_code_counts_whatever_the_count_says(
    codes: list[str | None], said: str, nulls: bool
) -> None:
    failed = sum(code is not None for code in codes)
    count = {
        "right": failed,
        "absent": ABSENT,
        "null": None,
        "zero": 0,
        "fewer": max(failed - 1, 0),
        "text": str(failed),
    }[said]
    found = read_answer(answer(codes, count, nulls=nulls), len(codes))
    assert [each.error_code for each in found.results] == codes
    assert found.failed == failed
    assert [each.shard_id for each in found.results] == [
        None if code else "shardId-000000000000" for code in codes
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (answer([None] * 9, 0), "results of 9 records, and 10 were sent"),
        (answer([None] * 11, 0), "results of 11 records, and 10 were sent"),
        (answer([], 0), "results of 0 records"),
        (answer([None] * 10, 3), "says that 3 records failed, and has an ErrorCode for 0"),
        (json.dumps({"Records": [{}] * 10}).encode(), "neither an ErrorCode nor"),
        (json.dumps({"Records": [{"ErrorCode": None, "ShardId": None}] * 10}).encode(), "neither an ErrorCode nor"),
        (answer([None] * 10, 0)[:-20], "breaks off"),
        (b"", "its body is empty"),
        (b" \r\n", "its body is empty"),
        (b"<html><title>Sign in</title></html>", "an HTML page with the title Sign in"),
        (b"<?xml version='1.0'?><a/>", "HTML or XML"),
        (b"{}", "its Records are missing"),
        (b'{"Records":null}', "its Records are missing"),
        (b"[]", "its Records are missing"),
        (b"null", "its Records are missing"),
        (b'{"Records":[3]}', "its Records are missing or not what they must be"),
        (b'{"Records":' + b"[" * 100_000, "not JSON, or breaks off"),
        (b"\xff\xfe\x00", "not JSON"),
    ],
)  # fmt: skip
def test_an_answer_that_does_not_cover_each_record_says_why(body: bytes, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        read_answer(body, 10)


@given(st.binary(max_size=300))
def test_no_answer_raises_anything_else(body: bytes) -> None:
    for read in (lambda b: read_answer(b, 1), read_facts, read_shards):
        with pytest.raises(Unreadable):
            read(body)
    assert not read_fault(Posted(500, {}, body)).code or b"__type" in body


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_compressed_bodies_are_unpacked(size: int) -> None:
    plain = b"x" * size
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    raw_deflate = raw.compress(plain) + raw.flush()
    assert unpacked(gzip.compress(plain), "gzip") == plain
    assert unpacked(gzip.compress(plain), " GZIP ") == plain
    assert unpacked(zlib.compress(plain), "deflate") == plain
    assert unpacked(raw_deflate, "deflate") == plain
    assert unpacked(plain, "identity") == plain


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (gzip.compress(b"x" * 9_000)[:-12], "gzip", "breaks off"),
        (b"not compressed", "gzip", "it is not gzip"),
        (b"abc", "br", "Content-Encoding is br"),
        (gzip.compress(b"x" * 40 * 1024 * 1024), "gzip", "far too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # gzip's bytes have the time in them
)
def test_what_cannot_be_unpacked_says_why(body: bytes, encoding: str, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        unpacked(body, encoding)


def test_null_is_absent_in_what_a_stream_says_of_itself() -> None:
    nulls = {"MaxRecordSizeInKiB": None, "RecordDistributionStrategy": None, "KeyId": None}
    assert read_facts(json.dumps({"StreamDescriptionSummary": nulls}).encode()) == (None, None)
    assert read_facts(b'{"StreamDescriptionSummary":{}}') == (None, None)
    shard = {"ShardId": "s", "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "7"}}
    for numbers in (
        {},
        {"SequenceNumberRange": None},
        {"SequenceNumberRange": {"EndingSequenceNumber": None}},
    ):
        page = json.dumps({"Shards": [shard | numbers], "NextToken": None}).encode()
        assert read_shards(page) == ([("s", 0, 7)], None)
    closed = shard | {"SequenceNumberRange": {"EndingSequenceNumber": "9"}}
    assert read_shards(json.dumps({"Shards": [closed], "NextToken": "t"}).encode()) == ([], "t")


@pytest.mark.parametrize("member", ["message", "Message"])
def test_an_errors_code_and_message_are_found(member: str) -> None:
    body = json.dumps({"__type": "com.amazonaws.kinesis#SomeException", member: "as\nit is"}).encode()
    fault = read_fault(Posted(400, {"content-type": "application/x-amz-json-1.1"}, body))
    assert (fault.status, fault.code, fault.message) == (400, "SomeException", "as it is")
    packed = read_fault(Posted(400, {"content-encoding": "gzip"}, gzip.compress(body)))
    assert packed.code == "SomeException"
    nulls = json.dumps({"__type": None, member: None}).encode()
    assert read_fault(Posted(400, {"x-amzn-errortype": "Some:http://x/"}, nulls))[2:] == ("Some", "")
