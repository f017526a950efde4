"""Kafka or Kinesis misbehaves: nothing is lost, order holds, and the service goes on by itself."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from processor.embedded import start_kafka
from processor.errors import KafkaRefused, KinesisRefused
from processor.service.run import run_service
from tests.conftest import create_topic
from tests.support.numbered_changes import PROFILES, _number, case, changes, expected, numbers, numbers_of
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.world import committed, plan_for, produce, running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.embedded.kafka import EmbeddedKafka

pytestmark = pytest.mark.integration

MIB = 1024 * 1024


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    kinesis = ScriptedKinesis(random.Random(3))
    async with served(kinesis) as url:
        yield kinesis, url


@pytest.fixture
def own_kafka() -> Any:
    """A broker that the test may stop."""
    with start_kafka() as broker:
        yield broker


async def test_partial_failures_lose_and_reorder_nothing(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    kinesis.faults = Faults(throttled=0.3, failed=0.1, lost_before=0.1, lost_after=0.1, unavailable=0.1)
    settings = settings_for(kafka, topic, kinesis_max_records_per_request="7", kinesis_retry_base_ms="1")
    await produce(kafka, topic, changes(200))
    async with running(settings, plan_for(case(), "s", url)) as status:
        await until(lambda: status.figures.exported == 200)
    assert numbers(kinesis) == expected(200)
    assert await committed(kafka, settings.kafka.group, topic) == 200


@pytest.mark.parametrize("before", [0, 40])
async def test_an_event_that_kinesis_rejects_is_a_dead_letter_also_where_none_follows(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str], before: int
) -> None:
    """What was taken last shows that Kinesis takes others; where nothing was yet, the next event does."""
    kinesis, url = scripted
    rejected = changes(1, start=before)
    kinesis.faults = Faults(is_poison=lambda data: _number(data) == before)
    settings = settings_for(kafka, topic)
    async with running(settings, plan_for(case(), "s", url)) as status:
        await produce(kafka, topic, changes(before))
        await until(lambda: status.figures.exported == before and status.figures.in_flight == 0)
        await produce(kafka, topic, rejected)
        if not before:
            await until(lambda: "no record is taken" in status.conditions.get("kinesis", ""))
            await produce(kafka, topic, changes(1, start=1))
        await until(lambda: status.figures.dead_lettered["rejected"] == 1)
        await until(lambda: "kinesis" not in status.conditions)
        assert status.figures.in_flight == 0
    assert await committed(kafka, settings.kafka.group, topic) == max(before, 1) + 1
    taken = {
        profile: [n for n in found if n != before] for profile, found in expected(max(before, 2)).items()
    }
    assert numbers(kinesis) == {profile: found for profile, found in taken.items() if found}
    assert len(kinesis.stored) - max(before, 1) <= 4


async def test_nothing_is_committed_while_kinesis_takes_nothing(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    settings = settings_for(kafka, topic)
    await produce(kafka, topic, changes(40))
    async with running(settings, plan_for(case(), "s", url)) as status:
        await until(lambda: status.figures.in_flight == 0 and status.figures.exported == 40)
        kinesis.faults = Faults(refused="ExpiredTokenException")
        await produce(kafka, topic, changes(40, start=40))
        await until(lambda: "kinesis" in status.conditions and status.figures.in_flight == 40)
        assert "expired" in status.conditions["kinesis"]
        assert not status.is_ready
        assert await committed(kafka, settings.kafka.group, topic) == 40
        kinesis.faults = Faults()
        await until(lambda: status.is_ready and status.figures.exported == 80)
    assert numbers(kinesis) == expected(80)


async def test_an_export_that_the_stream_does_not_take_is_a_dead_letter_and_its_neighbours_go(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    kinesis.record_bytes = 64 * 1024
    settings = settings_for(kafka, topic)
    events = changes(21)
    path = case()["destination"]["attributes"][0].split(".")
    place = events[20]["value"]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = "x" * 64 * 1024
    await produce(kafka, topic, [*events[:10], events[20], *events[10:20]])
    async with running(settings, plan_for(case(), "s", url)) as status:
        await until(lambda: status.figures.exported == 20 and status.figures.in_flight == 0)
        assert status.figures.dead_lettered == {"too-large": 1}
    assert numbers(kinesis) == expected(20)


async def test_an_outage_longer_than_the_session_stops_polling_within_bounds_and_keeps_the_membership(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    settings = settings_for(kafka, topic, in_flight_bytes=str(MIB), kinesis_buffer_bytes=str(MIB))
    events = changes(400)
    for event in events:
        event["value"]["unmapped"] = "x" * 8_000
    async with running(settings, plan_for(case(), "s", url)) as status:
        with capture_logs() as told:
            kinesis.faults = Faults(unavailable=1.0)
            await produce(kafka, topic, events)
            began_s = asyncio.get_running_loop().time()
            outage_s = 1.3 * settings.kafka.session_timeout_ms / 1000
            await until(lambda: asyncio.get_running_loop().time() > began_s + outage_s)
            in_flight = status.figures.in_flight
            # One poll of each partition may pass the bound before it is seen.
            assert 100 < in_flight < 350
            assert status.figures.received == in_flight
            await until(lambda: "kafka" not in status.conditions)
            kinesis.faults = Faults()
            await until(lambda: status.figures.exported == 400)
        assert not [each for each in told if each["event"] in {"partitions assigned", "partitions revoked"}]
    assert numbers(kinesis) == expected(400)


@pytest.mark.parametrize("faults", [Faults(unavailable=1.0), Faults(black_hole=True)])
async def test_kinesis_away_is_reported_by_readiness_and_goes_on_by_itself(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str], faults: Faults
) -> None:
    kinesis, url = scripted
    settings = settings_for(kafka, topic, kinesis_request_timeout_ms="1000")
    async with running(settings, plan_for(case(), "s", url)) as status:
        kinesis.faults = faults
        await produce(kafka, topic, changes(40))
        await until(lambda: "kinesis" in status.conditions)
        assert "no call was answered for" in status.conditions["kinesis"]
        kinesis.faults = Faults()
        await until(lambda: status.is_ready and status.figures.exported == 40)
    assert numbers(kinesis) == expected(40)


@pytest.mark.parametrize("count", [0, None])
async def test_what_failed_is_sent_again_though_the_count_says_that_nothing_did(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str], count: int | None
) -> None:
    kinesis, url = scripted
    kinesis.faults = Faults(throttled=0.3, failed=0.1, count=lambda _: count)
    settings = settings_for(kafka, topic)
    await produce(kafka, topic, changes(200))
    async with running(settings, plan_for(case(), "s", url)) as status:
        await until(lambda: status.figures.exported == 200)
    assert numbers(kinesis) == expected(200)


async def test_answers_that_cannot_be_read_are_reported_by_readiness(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    settings = settings_for(kafka, topic)
    async with running(settings, plan_for(case(), "s", url)) as status:
        kinesis.faults = Faults(unreadable=lambda _: True)
        await produce(kafka, topic, changes(40))
        await until(lambda: "kinesis" in status.conditions)
        assert "no answer could be read for" in status.conditions["kinesis"]
        assert "an HTML page with the title Sign in" in status.conditions["kinesis"]
        kinesis.faults = Faults()
        await until(lambda: status.is_ready and status.figures.exported == 40)


async def test_a_proxy_that_takes_small_bodies_is_got_along_with_and_what_it_never_takes_is_reported(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    kinesis.faults = Faults(body_bytes_max=8_000)
    settings = settings_for(kafka, topic, kinesis_slow_retry_ms="500")
    events = changes(101)
    path = case()["destination"]["attributes"][0].split(".")
    place = events[100]["value"]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = "x" * 10_000
    await produce(kafka, topic, events)
    async with running(settings, plan_for(case(), "s", url)) as status:
        await until(lambda: len(kinesis.stored) == 100 and "kinesis" in status.conditions)
        assert "HTTP 413 (text/html, '413 Request Entity Too Large')" in status.conditions["kinesis"]
        assert "does not pass even alone" in status.conditions["kinesis"]
        assert not status.figures.dead_lettered
        kinesis.faults = Faults()
        await until(lambda: status.is_ready and status.figures.exported == 101)
    large = [stored for stored in kinesis.stored if len(stored[1]) > 10_000]
    assert large == [stored for stored in kinesis.stored if stored.partition_key == PROFILES[0]][-1:]
    assert numbers_of(stored for stored in kinesis.stored if stored not in large) == expected(100)


async def test_a_stop_with_a_black_hole_ends_in_time_and_loses_nothing(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    kinesis.faults = Faults(black_hole=True)
    settings = settings_for(kafka, topic, shutdown_timeout_ms="300")
    await produce(kafka, topic, changes(40))
    async with running(settings, plan_for(case(), "s", url)) as status:
        await until(lambda: status.figures.in_flight == 40)
    assert status.figures.abandoned == 40
    assert await committed(kafka, settings.kafka.group, topic) == 0
    kinesis.faults = Faults()
    async with running(settings, plan_for(case(), "s", url)) as status:
        await until(lambda: status.figures.exported == 40)
    assert numbers(kinesis) == expected(40)


async def test_kafka_away_for_a_while_is_reported_and_got_over(
    own_kafka: EmbeddedKafka, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    servers = own_kafka.bootstrap_servers
    await create_topic(servers, "events", partitions=2)
    settings = settings_for(servers, "events", kafka_request_timeout_ms="2000")
    await produce(servers, "events", changes(40))
    async with running(settings, plan_for(case(), "s", url)) as status:
        await until(lambda: status.figures.exported == 40)
        await asyncio.to_thread(own_kafka.kill)
        await until(lambda: not status.is_ready)
        await asyncio.to_thread(own_kafka.restart)
        await produce(servers, "events", changes(40, start=40))
        await until(lambda: status.is_ready and status.figures.exported == 80)
    assert numbers(kinesis) == expected(80)
    assert await committed(servers, settings.kafka.group, "events") == 80


async def test_a_service_that_starts_before_kafka_waits_for_it(
    own_kafka: EmbeddedKafka, scripted: tuple[ScriptedKinesis, str]
) -> None:
    kinesis, url = scripted
    servers = own_kafka.bootstrap_servers
    await create_topic(servers, "events", partitions=2)
    await produce(servers, "events", changes(20))
    await asyncio.to_thread(own_kafka.kill)

    async def come_back() -> None:
        await asyncio.to_thread(own_kafka.restart)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(come_back())
        async with running(settings_for(servers, "events"), plan_for(case(), "s", url)) as status:
            await until(lambda: status.figures.exported == 20)
    assert numbers(kinesis) == expected(20)


async def test_a_stop_while_kafka_is_away_ends(scripted: tuple[ScriptedKinesis, str]) -> None:
    _, url = scripted
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        service = tasks.create_task(
            run_service(settings_for("127.0.0.1:1", "events"), plan_for(case(), "s", url), stop)
        )
        await asyncio.sleep(0.2)
        stop.set()
        await service


async def test_a_topic_that_does_not_exist_is_an_error_at_the_start(
    kafka: str, scripted: tuple[ScriptedKinesis, str]
) -> None:
    _, url = scripted
    with pytest.raises(KafkaRefused, match="topic nowhere does not exist"):
        await run_service(settings_for(kafka, "nowhere"), plan_for(case(), "s", url), asyncio.Event())


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AccessDeniedException", "the IAM action kinesis:PutRecords is missing"),
        ("ResourceNotFoundException", "there is no such stream"),
        ("UnrecognizedClientException", "AWS does not know the access key"),
        ("ExpiredTokenException", "the credentials have expired"),
    ],
)
async def test_what_no_waiting_cures_at_kinesis_is_an_error_at_the_start(
    kafka: str, topic: str, scripted: tuple[ScriptedKinesis, str], code: str, remedy: str
) -> None:
    kinesis, url = scripted
    kinesis.faults = Faults(refused=code)
    with pytest.raises(KinesisRefused, match=remedy):
        await run_service(settings_for(kafka, topic), plan_for(case(), "s", url), asyncio.Event())
