"""The service as a process: its start, its pages, its signals, its exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from processor import __version__
from processor.native import CORE
from tests.support.process import destination_file, environ, processor, url_of
from tests.support.world import committed, produce, stored_when, vector

if TYPE_CHECKING:
    from pathlib import Path

    from processor.embedded import EmbeddedKinesis

pytestmark = pytest.mark.integration


async def metric_reaches(http: aiohttp.ClientSession, url: str, line: str) -> None:
    """Wait for a line of the metrics, less the labels of all; the test's own deadline is that of the wait."""
    while True:
        async with http.get(f"{url}/metrics") as answer:
            if (
                line
                in re.sub(
                    r'group="[^"]*",topic="[^"]*",stream="[^"]*",', "", await answer.text()
                ).splitlines()
            ):
                return


async def test_run_serves_its_health_exports_and_ends_on_a_signal(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, kinesis_client: Any, stream: str, tmp_path: Path
) -> None:
    case = vector("seed-example")
    path = destination_file(tmp_path, case, stream, kinesis.endpoint_url)
    await produce(kafka, topic, case["events"])
    running = processor("run", "--destination", str(path), environ=environ(kafka, topic, tmp_path))
    async with running as (child, lines), aiohttp.ClientSession() as http:
        url = await url_of(lines)
        found = await stored_when(kinesis_client, stream, len(case["exports"]))
        assert [json.loads(data) for _, data in found] == [e["data"] for e in case["exports"]]
        while True:
            async with http.get(f"{url}/readyz") as answer:
                if answer.status == 200:
                    assert await answer.json() == {"ready": True, "reasons": {}}
                    break
                assert answer.status == 503
        async with http.get(f"{url}/livez") as answer:
            assert answer.status == 200
        await metric_reaches(
            http, url, f'processor_events_received_total{{worker="0"}} {len(case["events"])}.0'
        )
        await metric_reaches(http, url, 'processor_events_in_flight{worker="0"} 0.0')
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0
    assert await committed(kafka, f"group-{topic}", topic) == len(case["events"])
    (began,) = [told for told in map(json.loads, lines) if told["event"] == "starting"]
    assert (began["version"], began["core"]) == (__version__, CORE)
    assert "s3cret" not in "".join(lines)


async def test_a_missing_topic_ends_run_with_78_and_a_remedy(
    kafka: str, kinesis: EmbeddedKinesis, stream: str, tmp_path: Path
) -> None:
    path = destination_file(tmp_path, vector("seed-example"), stream, kinesis.endpoint_url)
    running = processor("run", "--destination", str(path), environ=environ(kafka, "nowhere", tmp_path))
    async with running as (child, lines):
        assert await child.wait() == 78
    assert "topic nowhere does not exist: create it" in "".join(lines)
    assert "Traceback" not in "".join(lines)


async def test_a_missing_stream_ends_run_with_78_and_a_remedy(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, tmp_path: Path
) -> None:
    path = destination_file(tmp_path, vector("seed-example"), "nowhere", kinesis.endpoint_url)
    running = processor("run", "--destination", str(path), environ=environ(kafka, topic, tmp_path))
    async with running as (child, lines):
        assert await child.wait() == 78
    assert "there is no such stream" in "".join(lines)
    assert "Traceback" not in "".join(lines)


async def test_a_signal_ends_a_service_that_waits_for_kafka(
    kinesis: EmbeddedKinesis, stream: str, tmp_path: Path
) -> None:
    path = destination_file(tmp_path, vector("seed-example"), stream, kinesis.endpoint_url)
    running = processor("run", "--destination", str(path), environ=environ("127.0.0.1:1", "events", tmp_path))
    async with running as (child, lines):
        while not any("not connected yet" in line for line in lines):
            await asyncio.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0


async def test_validate_connect_tries_both_ends(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, stream: str, tmp_path: Path
) -> None:
    path = destination_file(tmp_path, vector("seed-example"), stream, kinesis.endpoint_url)
    checking = processor(
        "validate", "--connect", "--destination", str(path), environ=environ(kafka, topic, tmp_path)
    )
    async with checking as (child, lines):
        assert await child.wait() == 0
    assert "".join(lines).count("✓") >= 4
    path = destination_file(tmp_path, vector("seed-example"), "nowhere", kinesis.endpoint_url)
    checking = processor(
        "validate", "--connect", "--destination", str(path), environ=environ(kafka, topic, tmp_path)
    )
    async with checking as (child, lines):
        assert await child.wait() == 1
    assert "there is no such stream" in "".join(lines)


async def test_the_demo_sees_all_that_it_promises() -> None:
    showing = processor("demo", "--events", "80", "--rate", "0", environ=dict(os.environ))
    async with showing as (child, lines):
        assert await child.wait() == 0
    text = "".join(lines)
    assert "nothing lost, nothing invented, every profile in order" in text
    assert "yourstruly" in text
