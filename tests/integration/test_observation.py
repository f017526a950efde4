"""What a running service tells of itself over HTTP, from one port for all of its workers."""

from __future__ import annotations

import asyncio
import random
import signal
from socket import gethostname
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.support.members import Member, Producer, changes, member_environ
from tests.support.observation import ready, scraped, url_of
from tests.support.scrape import sums, unaccounted
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.integration]


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5), faults=Faults(throttled=0.05, unavailable=0.02))
    async with served(scripted) as url:
        yield scripted, url


async def member_names(servers: str, group: str) -> set[str]:
    """The client ids of a group's members, as Kafka's own tools show them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        (described,) = (await admin.describe_consumer_groups([group]))[0].groups
    finally:
        await admin.close()
    return {member[1] for member in described[-2 if isinstance(described[-1], int) else -1]}


def lag_partitions(scrape: dict[Any, float]) -> list[str]:
    return sorted(
        dict(labels)["partition"] for name, labels in scrape if name == "processor_partition_lag_seconds"
    )


async def test_in_every_scrape_each_worker_accounts_for_what_it_received(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    _, url = kinesis
    rng = random.Random(1)
    member = await Member(tmp_path, member_environ(kafka, topic, tmp_path, url), workers=2).start()
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            at = await url_of(member)
            await ready(http, at)
            received = 0.0
            for _ in range(12):
                await producer.produce([*changes(rng, 60, 40, len(producer.events)), (b"bad", b"{no json")])
                for _ in range(5):
                    scrape = await scraped(http, at)
                    found = unaccounted(scrape)
                    assert set(found.values()) == {0}, found
            while received < len(producer.events):
                scrape = await scraped(http, at)
                assert set(unaccounted(scrape).values()) == {0}
                received = sum(each["processor_events_received_total"] for each in sums(scrape).values())
            assert set(sums(scrape)) == {"0", "1"}
        assert await member.stop() == 0
    finally:
        await member.kill()


async def test_the_series_of_revoked_partitions_disappear(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    _, url = kinesis
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    one = await Member(homes[0], member_environ(kafka, topic, homes[0], url)).start()
    two = None
    try:
        async with aiohttp.ClientSession() as http:
            first = await url_of(one)
            while lag_partitions(await scraped(http, first)) != ["0", "1", "2"]:
                await asyncio.sleep(0.05)
            two = await Member(homes[1], member_environ(kafka, topic, homes[1], url)).start()
            second = await url_of(two)
            while True:
                ours, theirs = [lag_partitions(await scraped(http, each)) for each in (first, second)]
                if ours and theirs and sorted(ours + theirs) == ["0", "1", "2"]:
                    break
                await asyncio.sleep(0.05)
        assert [await one.stop(), await two.stop()] == [0, 0]
    finally:
        await one.kill()
        if two is not None:
            await two.kill()


async def test_one_port_answers_for_all_workers_and_says_of_one_that_is_missing(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    member = await Member(tmp_path, member_environ(kafka, topic, tmp_path, url), workers=2).start()
    try:
        async with aiohttp.ClientSession() as http:
            at = await url_of(member)
            assert await ready(http, at) == {"ready": True, "reasons": {}}
            # Each calls itself by a name of its own, at both ends.
            names = {f"processor-{gethostname()}-{worker}" for worker in (0, 1)}
            while await member_names(kafka, f"group-{topic}") != names:
                await asyncio.sleep(0.1)
            assert {caller.rpartition(" client/")[2] for caller in scripted.callers} == names
            of_all = {"group": f"group-{topic}", "topic": topic, "stream": "exports"}
            assert all(labels >= set(of_all.items()) for _, labels in await scraped(http, at))
            async with http.get(f"{at}/api/status") as answer:
                told = await answer.json()
            assert [each["worker"] for each in told["workers"]] == [0, 1]
            assert sorted(each["partition"] for w in told["workers"] for each in w["partitions"]) == [0, 1, 2]
            killed = member.signal_worker(random.Random(1), signal.SIGKILL)
            index = next(each["worker"] for each in told["workers"] if each["pid"] == killed)
            while True:
                async with http.get(f"{at}/readyz") as answer:
                    reasons = (await answer.json())["reasons"]
                if f"worker {index}" in reasons:
                    assert answer.status == 503
                    break
            async with http.get(f"{at}/livez") as answer:
                assert answer.status == 200  # the parent starts it again: the whole need not be
            await ready(http, at)
            found = sums(await scraped(http, at))
            assert found[str(index)]["processor_worker_restarts_total"] == 1
            assert found[str(1 - index)]["processor_worker_restarts_total"] == 0
        assert await member.stop() == 0
    finally:
        await member.kill()


async def test_lag_is_what_kafka_has_while_kinesis_holds_back_and_nothing_is_fetched(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    scripted.faults = Faults(unavailable=1.0)
    environ = member_environ(
        kafka,
        topic,
        tmp_path,
        url,
        in_flight_bytes=str(1024 * 1024),
        kafka_partition_fetch_max_bytes=str(16 * 1024),
        kafka_lag_interval_ms="300",
        log_interval_ms="500",
    )
    member = await Member(tmp_path, environ).start()
    rng = random.Random(1)
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            at = await url_of(member)
            for _ in range(3):
                await producer.produce(changes(rng, 4_000, 3_000, len(producer.events)))
                while True:
                    found = sums(await scraped(http, at))["0"]
                    done = (
                        found["processor_events_unchanged_total"] + found["processor_events_exported_total"]
                    )
                    if found.get("processor_partition_lag_records", 0) + done == len(producer.events):
                        break
                    await asyncio.sleep(0.1)
            # Of all this only a part was ever fetched: the ends are Kafka's own word.
            assert found["processor_events_received_total"] < len(producer.events) / 2
            assert found["processor_partition_lag_seconds"] > 0
            async with http.get(f"{at}/api/status") as answer:
                told = (await answer.json())["lag"]
            assert told["records"] + done == len(producer.events)
            assert told["unknownPartitions"] == 0
            wanted = f'"lag_records": {told["records"]}'
            while not any(
                wanted in line and "figures" in line for line in member.log.read_text().splitlines()
            ):
                await asyncio.sleep(0.1)
            scripted.faults = Faults()
            while sums(await scraped(http, at))["0"]["processor_partition_lag_records"]:
                await asyncio.sleep(0.1)
        assert await member.stop() == 0
    finally:
        await member.kill()
