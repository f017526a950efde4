"""The counting endpoint counts what it was sent, and tells when it was answered."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.certificate import write_certificate
from benchmarks.endpoint import running
from benchmarks.endpoint.latency import Latency
from benchmarks.endpoint.server import Endpoint
from benchmarks.endpoint.shards import Shards
from processor.configuration import parse_configuration
from processor.kinesis.connection import open_stream
from processor.kinesis.ticket import Ticket
from processor.kinesis.writer import Writer
from processor.profile.structs import Export
from processor.settings import KinesisSettings
from processor.waiting.fence import Fence

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.endpoint import ServedEndpoint

_PUT = b"POST / HTTP/1.1\r\nX-Amz-Target: Kinesis_20131202.PutRecords\r\n\r\n"
_CBOR_PUT = _PUT.replace(b"\r\n\r\n", b"\r\nContent-Type: application/x-amz-cbor-1.1\r\n\r\n")
_THROTTLED = "ProvisionedThroughputExceededException"
_DESTINATION = """
name: benchmark
connection: {region: eu-west-1, connectionUrl: "%s", accessKeyId: x, secretKey: y}
stream: exports
marketingActions: []
segments: [{id: one}]
"""


async def written(endpoint: ServedEndpoint, records: int) -> None:
    destination = parse_configuration((_DESTINATION % endpoint.url, "destination.yaml"), None, {})[0]
    settings = KinesisSettings.model_validate({})
    async with open_stream(destination, settings) as stream, asyncio.TaskGroup() as tasks:
        writer = Writer(stream, settings, random.Random(1), Fence(lambda: 0.0, 1.0))
        await writer.connect()
        running_writer = tasks.create_task(writer.run())
        exports = [
            Export(b"%d" % n, f"{n}", b'{"at":"2026-01-01T00:00:00.%06dZ","older":"2025-01-01T00:00:00.000000Z"}' % n)
            for n in range(records)
        ]  # fmt: skip
        ticket = Ticket(exports, 0)
        await writer.submit(ticket)
        await ticket.wait()
        running_writer.cancel()


async def test_it_counts_what_the_writer_sends() -> None:
    with running(shards=4) as endpoint:
        await written(endpoint, 700)
        figures = await asyncio.to_thread(endpoint.figures)
    assert figures.records == 700
    assert figures.throttled == 0
    assert 2 <= figures.requests <= 8
    assert figures.bytes > 700 * 60


async def test_it_says_the_newest_time_of_every_fourth_record_of_a_call_and_when_it_was_answered() -> None:
    began_s = time.time()
    with running(shards=4, timed=True, latency_ms=20) as endpoint:
        await written(endpoint, 300)
        times = await asyncio.to_thread(endpoint.times)
    assert sorted(event_s for event_s, _ in times) == pytest.approx(
        [1_767_225_600 + n / 1e6 for n in range(0, 300, 4)]
    )
    assert all(began_s < answered_s < time.time() for _, answered_s in times)


async def test_it_serves_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = write_certificate(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with running(certificate=certificate) as endpoint:
        assert endpoint.url.startswith("https:")
        await written(endpoint, 10)
        assert (await asyncio.to_thread(endpoint.figures)).records == 10


def put(endpoint: Endpoint, keys: list[str]) -> list[str | None]:
    body = json.dumps({"Records": [{"Data": "eHl6", "PartitionKey": key} for key in keys]}).encode()
    return [
        record.get("ErrorCode") or record["ShardId"]
        for record in json.loads(endpoint.answer(_PUT, body) or b"")["Records"]
    ]


def test_a_record_goes_to_the_shard_of_its_partition_key() -> None:
    # The MD5 of "a" begins with 0c, that of "b" with 92.
    endpoint = Endpoint(Shards(2, limited=False))
    assert put(endpoint, ["a", "b", "a"]) == [
        "shardId-000000000000",
        "shardId-000000000001",
        "shardId-000000000000",
    ]


def test_a_limited_shard_takes_a_thousand_records_a_second() -> None:
    now_s = 100.0
    endpoint = Endpoint(Shards(1, limited=True, clock=lambda: now_s))
    answers = put(endpoint, ["a"] * 1500)
    assert answers == ["shardId-000000000000"] * 1000 + [_THROTTLED] * 500
    now_s += 0.25
    assert put(endpoint, ["a"] * 300).count(_THROTTLED) == 50
    figures = json.loads(endpoint.answer(b"GET /figures HTTP/1.1\r\n\r\n", b"") or b"")
    assert (figures["records"], figures["throttled"]) == (1250, 550)


def test_it_takes_the_cbor_that_javas_client_writes_and_answers_in_it() -> None:
    endpoint = Endpoint(Shards(2, limited=False), ordered=True)
    long = "k" * 300
    answer = cbor_value(
        endpoint.answer(_CBOR_PUT, cbor_call([("a", b"x"), ("b", b"y" * 70_000), (long, b"z" * 30)])) or b""
    )
    assert answer["FailedRecordCount"] == 0
    assert [record["ShardId"][-1] for record in answer["Records"]] == ["0", "1", "0"]
    figures = json.loads(endpoint.answer(b"GET /figures HTTP/1.1\r\n\r\n", b"") or b"")
    assert figures["records"] == 3


@pytest.mark.parametrize("limited", [False, True])
def test_what_is_refused_is_told_in_cbor(limited: bool) -> None:
    endpoint = Endpoint(Shards(1, limited=limited, clock=lambda: 100.0))
    answer = cbor_value(endpoint.answer(_CBOR_PUT, cbor_call([("a", b"x")] * 1200)) or b"")
    assert answer["FailedRecordCount"] == (200 if limited else 0)
    assert sum("ErrorCode" in record for record in answer["Records"]) == answer["FailedRecordCount"]


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_a_profile_whose_record_comes_after_a_later_one_is_out_of_order(form: str) -> None:
    endpoint = Endpoint(Shards(1, limited=False), ordered=True)
    for records in (
        [("a", 1), ("b", 1), ("c", 5)],
        [("a", 2), ("b", 3), ("c", 5)],
        [("a", 3), ("b", 2), ("c", 4), ("c", 6)],
    ):
        told = [
            (key, b'{"older":"2025-01-01T00:00:00.000000Z","at":"2026-01-01T00:00:00.%06dZ"}' % at)
            for key, at in records
        ]
        if form == "cbor":
            endpoint.answer(_CBOR_PUT, cbor_call(told))
        else:
            written = [{"Data": base64.b64encode(data).decode(), "PartitionKey": key} for key, data in told]
            endpoint.answer(_PUT, json.dumps({"Records": written}).encode())
    order = json.loads(endpoint.answer(b"GET /order HTTP/1.1\r\n\r\n", b"") or b"")
    # The last record of "c" is its latest: a consumer ends with the right one, of "b" with a wrong one.
    assert order == {"profiles": 3, "out_of_order": 2, "stale_at_the_end": 1}


def test_calls_take_differently_long_and_the_same_each_time() -> None:
    first, again = (Latency(0.01, 0.008) for _ in range(2))
    drawn = [first.drawn_s() for _ in range(100)]
    assert drawn == [again.drawn_s() for _ in range(100)]
    assert 0.002 <= min(drawn) < 0.005
    assert 0.015 < max(drawn) <= 0.018
    assert Latency(0.01, 0).drawn_s() == 0.01


def cbor_head(kind: int, length: int) -> bytes:
    if length < 24:
        return bytes([kind << 5 | length])
    size = next(size for size in (1, 2, 4) if length < 256**size)
    return bytes([kind << 5 | 24 + size.bit_length() - 1]) + length.to_bytes(size, "big")


def cbor_text(text: str) -> bytes:
    return cbor_head(3, len(text)) + text.encode()


def cbor_call(records: list[tuple[str, bytes]]) -> bytes:
    """As Java's client writes it: objects and lists without a length, ended by a byte."""
    written = b"".join(
        b"\xbf"
        + cbor_text("Data")
        + cbor_head(2, len(data))
        + data
        + cbor_text("PartitionKey")
        + cbor_text(key)
        + b"\xff"
        for key, data in records
    )
    stream = cbor_text("StreamName") + cbor_text("exports")
    return b"\xbf" + cbor_text("Records") + b"\x9f" + written + b"\xff" + stream + b"\xff"


def cbor_value(data: bytes) -> Any:
    """What CBOR with lengths says."""
    value, rest = cbor_part(data)
    assert rest == b""
    return value


def cbor_part(data: bytes) -> tuple[Any, bytes]:
    kind, told = data[0] >> 5, data[0] & 31
    size = 0 if told < 24 else 1 << told - 24
    count = int.from_bytes(data[1 : 1 + size], "big") if size else told
    data = data[1 + size :]
    if kind == 0:
        return count, data
    if kind == 3:
        return data[:count].decode(), data[count:]
    parts = []
    for _ in range(count * (2 if kind == 5 else 1)):
        part, data = cbor_part(data)
        parts.append(part)
    return (dict(zip(parts[::2], parts[1::2], strict=True)) if kind == 5 else parts), data


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nX-Amz-Target: Kinesis_20131202.PutRecord\r\n\r\n",
        b"POST / HTTP/1.1\r\nX-Amz-Target: Kinesis_20131202.DeleteStream\r\n\r\n",
        b"GET /nope HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_served_is_no_success(head: bytes) -> None:
    assert Endpoint(Shards(1, limited=False)).answer(head, b"{}") is None
