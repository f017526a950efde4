"""The counting endpoint counts what it was sent, and tells when it was answered."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import TYPE_CHECKING

import pytest

from benchmarks.certificate import write_certificate
from benchmarks.endpoint import running
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


async def test_it_says_the_newest_time_of_each_record_and_when_it_was_answered() -> None:
    began_s = time.time()
    with running(shards=4, timed=True, latency_ms=20) as endpoint:
        await written(endpoint, 300)
        times = await asyncio.to_thread(endpoint.times)
    assert sorted(event_s for event_s, _ in times) == pytest.approx(
        [1_767_225_600 + n / 1e6 for n in range(300)]
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
