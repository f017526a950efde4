"""PutRecords in CBOR: the bytes that AWS' client for Java sends, and answers that mean what the same ones in JSON mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cbor2 import CBORTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.kinesis import kinesis_json
from processor.kinesis.answer_protocol import Posted
from processor.kinesis.fault import read_fault
from processor.kinesis.kinesis_cbor import CONTENT_TYPE, plain_body, read_answer, request_body
from processor.kinesis.kinesis_json import Answer, Unreadable
from processor.native import CORE, native
from processor.profile.structs import Export

STREAM = {"StreamName": "exports"}
JAVA_CLIENT = Path(__file__).parent / "java_client"
"""Bodies as they were taken from what version 2.57.8 of AWS' client for Java sent, by HTTP/1.1, with its defaults."""

EITHER_LIBRARY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["plain"] if CORE == "plain" else ["plain", "compiled"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "processor.kinesis.kinesis_cbor.native", native if request.param == "compiled" else None
    )


def exports(*of: tuple[str, bytes]) -> list[Export]:
    return [Export(key.encode(), key, data) for key, data in of]


SOME = exports(
    ("k", b'{"a":1}'),
    ("é" * 30, b"\x00\xff\x80"),
    ("k" * 256, b"y" * 300),
    ("😀", b"s"),
    ("q" * 24, b"z" * 24),
    ("x" * 23, b""),
)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("sent", "address", "records"),
    [
        ("some-records-by-name", STREAM, SOME),
        (
            "one-record-by-arn",
            {"StreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/exports"},
            SOME[:1],
        ),
        ("no-records", STREAM, []),
    ],
)
def test_a_body_is_the_very_one_that_the_client_for_java_sends(
    sent: str, address: dict[str, str], records: list[Export]
) -> None:
    assert request_body(address, records) == (JAVA_CLIENT / f"{sent}.cbor").read_bytes()


@given(st.lists(st.tuples(st.text(max_size=256), st.binary(max_size=300)), max_size=8))
def test_both_libraries_make_the_same_body_and_it_says_what_was_given(of: list[tuple[str, bytes]]) -> None:
    records = exports(*of)
    body = request_body(STREAM, records)
    assert body == plain_body(STREAM, records)
    assert cbor2.loads(body) == STREAM | {
        "Records": [{"Data": data, "PartitionKey": key} for key, data in of]
    }


def test_both_libraries_make_the_same_body_of_data_of_every_length_that_is_told_otherwise() -> None:
    lengths = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 70_000]
    records = exports(*((str(length), b"x" * length) for length in lengths))
    assert request_body(STREAM, records) == plain_body(STREAM, records)


@pytest.mark.skipif(native is None, reason="plain Python alone is installed here")
@pytest.mark.parametrize(
    "records", [(), [None], [Export(b"", "\ud800", b"")]], ids=["no list", "none", "no UTF-8"]
)
def test_what_it_was_not_made_for_is_left_to_plain_python(records: list[Export]) -> None:
    assert native.put_records_cbor(STREAM, records) is None


@pytest.mark.skipif(native is None, reason="plain Python alone is installed here")
@pytest.mark.parametrize("address", [None, [("StreamName", "exports")], "StreamName", {"StreamName": None}])
@pytest.mark.parametrize("records", [[], SOME])
def test_a_call_to_no_stream_is_not_made_by_the_compiled_core(address: Any, records: list[Export]) -> None:
    assert native.put_records_cbor(address, records) is None


STORED = {"SequenceNumber": "4" * 56, "ShardId": "shardId-000000000001"}
RESULTS = st.fixed_dictionaries(
    {},
    optional={
        "SequenceNumber": st.none() | st.just("49590"),
        "ShardId": st.none() | st.sampled_from(["shardId-000000000000", "shardId-000000000001", "é", ""]),
        "ErrorCode": st.none() | st.sampled_from(["", "InternalFailure"]),
        "ErrorMessage": st.none() | st.text(max_size=3),
        "Other": st.recursive(
            st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(max_size=30),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=5,
        ),
    },
) | st.just(STORED)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "Records": st.none() | st.lists(RESULTS, max_size=6) | st.just([STORED] * 30),
        "FailedRecordCount": st.none() | st.integers(-1, 3) | st.just("1"),
        "EncryptionType": st.none() | st.just("KMS"),
    },
)


@pytest.mark.usefixtures("library")
@EITHER_LIBRARY
@given(ANSWERS, st.booleans(), st.integers(-1, 1))
def test_an_answer_means_what_the_same_one_in_json_means(
    said: dict[str, Any], ends_by_breaks: bool, more: int
) -> None:
    records = len(said.get("Records") or ()) + more
    in_json = outcome(kinesis_json.read_answer, json.dumps(said).encode(), records)
    in_cbor = outcome(read_answer, cbor2.dumps(said, indefinite_containers=ends_by_breaks), records)
    assert in_cbor == in_json


def outcome(read: Any, body: bytes, records: int) -> tuple[Any, ...]:
    try:
        answer: Answer = read(body, records)
    except Unreadable as error:
        return ("unreadable", str(error))
    return (answer.failed, [(each.error_code, each.shard_id) for each in answer.results])


@pytest.mark.usefixtures("library")
def test_an_answer_in_json_is_read_as_well() -> None:
    """Some answer in it whatever they were asked in."""
    answer = read_answer(json.dumps({"Records": [STORED], "FailedRecordCount": 0}).encode(), 1)
    assert [each.shard_id for each in answer.results] == [STORED["ShardId"]]


WHOLE = cbor2.dumps({"FailedRecordCount": 0, "Records": [STORED]})


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        *((WHOLE[:end], "neither CBOR nor JSON|its body is empty") for end in range(len(WHOLE))),
        (cbor2.dumps({"Records": [STORED] * 2}), "results of 2 records, and 1 were sent"),
        (cbor2.dumps({"Records": [{}]}), "neither an ErrorCode nor"),
        (cbor2.dumps({"Records": [STORED], "FailedRecordCount": 2}), "says that 2 records failed"),
        (cbor2.dumps({}), "its Records are missing"),
        (cbor2.dumps([]), "its Records are missing"),
        (cbor2.dumps({"Records": {}}), "its Records are missing"),
        (cbor2.dumps({"More": 2, "Records": "x"}), "its Records are missing"),
        (cbor2.dumps({1: 2, "Records": [STORED]}), "neither CBOR"),
        (cbor2.dumps({"Records": [{"ShardId": ""}]}), "neither an ErrorCode nor"),
        (WHOLE + b"\x00", f"it ends after {len(WHOLE)} of its {len(WHOLE) + 1} bytes"),
        (WHOLE + WHOLE, "it ends after"),
        (cbor2.dumps({"Records": [STORED], "More": b"x" * (2 * 1024 * 1024)}), "it is far too long, with 20"),
        (b"<html><title>Sign in</title></html>", "an HTML page with the title Sign in"),
        (b"{}", "its Records are missing"),
        (b"\x81" * 100_000, "neither CBOR"),
        (b"\xa1\x67Records\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "neither CBOR"),
        (b"\xa1\x67Records\xd8\x1c\x81\xd8\x1d\x00", "its Records are missing"),
        (b"\xc1\x61x", "its Records are missing"),
    ],
)
def test_an_answer_that_says_nothing_of_the_records_says_why(body: bytes, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        read_answer(body, 1)


TAGS = [0, 1, 2, 3, 4, 5, 28, 29, 30, 35, 36, 37, 100, 258, 260, 1004, 43_000, 55_799, 99_999]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(
    "content",
    [
        b"(" * 50_000,
        "[[a-z]",
        "9999-99-99",
        float("nan"),
        [0, 0],
        [-1, CBORTag(2, b"\x77" * 1_000_000)],
        [2**63, 1],
    ],
    ids=lambda content: str(content)[:12],
)
def test_a_tag_stands_for_no_more_than_its_content(tag: int, content: object) -> None:
    """A regular expression, a date or a fraction would be made of some, and 1 MB of digits takes minutes."""
    said = {"Records": [STORED], "More": CBORTag(tag, content)}
    assert [each.shard_id for each in read_answer(cbor2.dumps(said), 1).results] == [STORED["ShardId"]]


def test_in_plain_python_a_tagged_answer_is_the_same_without_the_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.kinesis.kinesis_cbor.native", None)
    said = CBORTag(55_799, {"Records": CBORTag(99_999, [CBORTag(258, STORED)])})
    assert read_answer(cbor2.dumps(said), 1).results[0].shard_id == STORED["ShardId"]


@pytest.mark.usefixtures("library")
@EITHER_LIBRARY
@given(st.binary(max_size=200) | st.binary(max_size=20).map(lambda tail: WHOLE[:40] + tail))
def test_no_answer_raises_anything_else(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_answer(body, 1)
    read_fault(Posted(400, {"content-type": CONTENT_TYPE}, body))


@pytest.mark.parametrize("type_of_answer", [CONTENT_TYPE, "Application/X-Amz-CBOR-1.1; charset=none"])
@pytest.mark.parametrize("member", ["message", "Message"])
def test_an_errors_code_and_message_are_found(member: str, type_of_answer: str) -> None:
    body = cbor2.dumps({"__type": "com.amazonaws#ValidationException", member: "no records"})
    fault = read_fault(Posted(400, {"content-type": type_of_answer}, body))
    assert (fault.code, fault.message) == ("ValidationException", "no records")


def test_an_error_that_is_not_what_its_type_says_has_the_code_of_its_header() -> None:
    headers = {"content-type": CONTENT_TYPE, "x-amzn-errortype": "Some:x"}
    fault = read_fault(Posted(400, headers, b'{"__type":"Other"}'))
    assert (fault.code, fault.message) == ("Some", "")
