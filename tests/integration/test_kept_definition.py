"""A definition that is kept in Kafka is followed by every member and changed by any of them, whatever happens to its topic."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from structlog.testing import capture_logs

from processor.definition.model import Definition, Target
from processor.definition.record import VALUE_BYTES_MAX, encoded
from processor.embedded import start_kafka
from processor.errors import (
    DefinitionConflict,
    DefinitionUnavailable,
    KafkaRefused,
    KafkaUnavailable,
)
from processor.kafka.definition_topic import open_definition_appends
from processor.operations import kept_definition
from processor.operations.kept_definition import UNFOLLOWED, KeptDefinition
from tests.conftest import create_topic
from tests.support.compaction import is_gone, roll
from tests.support.definitions import adding, connection, names, proposal, record
from tests.support.topics import administered, delete, described
from tests.support.world import settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from processor.kafka.small_appends import SmallAppends
    from processor.settings import KafkaSettings, Settings
    from tests.support.definitions import LogRecord

pytestmark = [pytest.mark.integration]


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[KeptDefinition]:
    """A member that begins to follow the definition."""
    kept, stop = KeptDefinition(settings), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(kept.run(stop))
        yield kept
        stop.set()


@asynccontextmanager
async def member(settings: Settings) -> AsyncIterator[KeptDefinition]:
    """A member that has read the definition."""
    async with running(settings) as kept:
        await kept.next(-1)
        yield kept


async def append(settings: Settings, *records: LogRecord | tuple[bytes | None, bytes | None]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka.servers[0], max_request_size=2 * VALUE_BYTES_MAX
    )
    await producer.start()
    try:
        for key, value in records:
            await producer.send_and_wait(settings.configuration_topic, key=key, value=value, partition=0)
    finally:
        await producer.stop()


async def until_named(kept: KeptDefinition, *wanted: str) -> Definition:
    """The definition once it has connections of these names."""
    definition = await kept.next(-1)
    while names(definition) != list(wanted):
        definition = await kept.next(definition.version)
    return definition


async def until_version(kept: KeptDefinition, version: int) -> Definition:
    """The definition once it has this version; what other members changed comes when it comes."""
    definition = await kept.next(-1)
    while definition.version < version:
        definition = await kept.next(definition.version)
    assert definition.version == version
    return definition


def warned(lines: list[dict[str, object]]) -> set[object]:
    return {line["event"] for line in lines if line["log_level"] in {"warning", "error"}}


async def test_what_a_member_changes_every_member_follows_and_the_next_start_finds(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    async with member(settings) as one, member(settings) as other:
        assert one.current() == Definition()
        made = await one.change(adding("a"), "us")
        assert (made.version, names(made)) == (1, ["a"])
        assert await other.next(0) == made
        again = await other.change(lambda former: replace(former, bound_to=Target("s", "r")), "them")
        assert again == replace(made, version=2, bound_to=Target("s", "r"), history=again.history)
        assert [(each.version, each.by) for each in again.history] == [(2, "them"), (1, "us")]
        assert await one.next(1) == one.current() == again
    async with member(settings) as later:
        assert later.current() == again


async def test_the_topic_is_made_once_compacted_and_of_one_partition(kafka: str, topic: str) -> None:
    settings = settings_for(kafka, topic)
    with capture_logs() as lines:
        async with member(settings), member(settings), member(settings):
            partitions, configuration = await described(kafka, settings.configuration_topic)
    assert (partitions, configuration["cleanup.policy"]) == (1, "compact")
    assert not warned(lines)  # type: ignore[arg-type]  # structlog's own type


async def test_of_writers_at_once_none_loses_what_another_changed(kafka: str, topic: str) -> None:
    settings = settings_for(kafka, topic)
    wanted = [f"name-{number}" for number in range(12)]
    async with member(settings) as one, member(settings) as other, member(settings) as third:
        writers = one, other, third
        async with asyncio.TaskGroup() as tasks:
            for number, name in enumerate(wanted):
                tasks.create_task(writers[number % 3].change(adding(name), "us"))
        assert sorted(names(await until_version(one, len(wanted)))) == sorted(wanted)


async def test_what_changes_nothing_or_is_refused_by_its_maker_is_not_written(kafka: str, topic: str) -> None:
    settings = settings_for(kafka, topic)

    def refuse(_: Definition) -> Definition:
        raise PermissionError

    async with member(settings) as kept:
        made = await kept.change(adding("a"), "us")
        assert await kept.change(adding("a"), "us") == made
        with pytest.raises(PermissionError):
            await kept.change(refuse, "us")
        assert (await kept.change(adding("b"), "us")).version == 2


async def test_a_change_that_others_come_before_again_and_again_is_a_conflict(
    kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(kafka, topic)
    versions = list[int]()

    class Overtaken:
        """Appends behind somebody else's change of the same version."""

        def __init__(self, appends: SmallAppends) -> None:
            self._appends = appends

        async def append(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
            version = versions[-1] + 1
            await append(settings, record(proposal(f"r{version}", version)))
            await self._appends.append(records)

    @asynccontextmanager
    async def overtaken(kafka_settings: KafkaSettings, topic: str) -> AsyncIterator[Overtaken]:
        async with open_definition_appends(kafka_settings, topic) as appends:
            yield Overtaken(appends)

    def make(former: Definition) -> Definition:
        versions.append(former.version)
        return former.with_(connection("late"))

    monkeypatch.setattr(kept_definition, "open_definition_appends", overtaken)
    async with member(settings) as kept:
        with pytest.raises(DefinitionConflict, match="8 times somebody else"):
            await kept.change(make, "us")
        assert names(kept.current()) == ["r8"]
    assert versions == list(range(9))


async def test_a_rival_that_came_first_is_what_the_change_is_made_again_from(kafka: str, topic: str) -> None:
    settings = settings_for(kafka, topic)
    async with member(settings) as one, member(settings) as other:
        seen = list[list[str]]()

        def make(former: Definition) -> Definition:
            seen.append(names(former))
            return former.with_(connection("mine"))

        async with asyncio.TaskGroup() as tasks:
            for number in range(5):
                tasks.create_task(other.change(adding(f"other-{number}"), "them"))
            mine = tasks.create_task(one.change(make, "us"))
        made = mine.result()
        assert names(made) == [*seen[-1], "mine"]
        assert len(names(await until_version(one, 6))) == 6


async def test_whatever_else_is_written_there_stops_nobody_and_changes_nothing(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    key = proposal("x", 7).key
    garbage: list[tuple[bytes | None, bytes | None]] = [
        (key, b"\xff\xfe no JSON"),
        (key, b"[]"),
        (key, encoded(proposal("x", 8))),
        (key, json.dumps({**json.loads(encoded(proposal("x", 7))), "from": 3}).encode()),
        (key, b"[" * 100_000),
        (b"definition", b"x" * 2_000_000),
        (b"", None),
    ]
    with capture_logs() as lines:
        async with member(settings) as one, member(settings) as other:
            await one.change(adding("a"), "us")
            await append(settings, *garbage)
            made = await one.change(adding("b"), "us")
            assert await until_named(other, "a", "b") == made
        async with member(settings) as later:
            assert later.current() == made
    assert warned(lines) == {  # type: ignore[arg-type]  # structlog's own type
        "records of the topic of the definition are passed over: they are none of this service's"
    }


async def test_a_definition_of_millions_of_bytes_is_kept_and_a_larger_one_refused(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    large = replace(connection("large"), body={"text": "é" * 2_000_000})
    huge = replace(large, body={"text": "x" * VALUE_BYTES_MAX})
    nearly = replace(large, id="nearly", body={"text": "x" * (VALUE_BYTES_MAX - 4_000_000 - 700)})
    async with member(settings) as one, member(settings) as other:
        made = await one.change(lambda former: former.with_(large), "us")
        assert await other.next(0) == made
        with pytest.raises(KafkaRefused, match="larger than 8,323,072 bytes"):
            await one.change(lambda former: former.with_(huge), "us")
        assert one.current() == made
        again = await other.change(adding("a"), "us")
        assert await until_named(one, "large", "a") == again
        # What is defined comes before its history, which begins anew.
        assert [each.version for each in again.history] == [2, 1]
        full = await other.change(lambda former: former.with_(nearly), "us")
        assert (full.version, full.history) == (3, ())
        assert await until_named(one, "large", "a", "nearly") == full
        least = await one.change(lambda former: former.without([("connections", "nearly")]), "us")
        assert [each.version for each in least.history] == [4]


async def test_a_topic_that_takes_no_record_of_this_size_is_told_and_nothing_is_changed(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    async with administered(kafka) as admin:
        narrow = {"cleanup.policy": "compact", "max.message.bytes": "20000"}
        await admin.create_topics([NewTopic(settings.configuration_topic, 1, 1, topic_configs=narrow)])
    large = replace(connection("large"), body={"text": "x" * 30_000})
    async with member(settings) as one:
        with pytest.raises(KafkaRefused, match=r"raise the topic's max\.message\.bytes"):
            await one.change(lambda former: former.with_(large), "us")
        assert (await one.change(adding("a"), "us")).version == 1


async def test_what_a_later_release_wrote_is_told_and_followed_again_once_it_can_be_read(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    later = proposal("later", 2)
    async with member(settings) as one:
        made = await one.change(adding("a"), "us")
        value = {**json.loads(encoded(later)), "format": 2, "resources": {"in": "another way"}}
        await append(settings, (later.key, json.dumps(value).encode()))
        await until(lambda: _unavailable(one) is not None)
        assert "a later release wrote version 2" in str(_unavailable(one))
        with pytest.raises(DefinitionUnavailable):
            await one.change(adding("b"), "us")
        assert made.version == 1
        await append(settings, record(proposal("again", 3)))
        assert names(await one.next(1)) == ["again"]


def _unavailable(kept: KeptDefinition) -> DefinitionUnavailable | None:
    try:
        kept.current()
    except DefinitionUnavailable as error:
        return error
    return None


async def test_a_topic_that_was_deleted_is_made_anew_with_the_definition_that_was_in_force(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic, kafka_metadata_max_age_ms="500")
    with capture_logs() as lines:
        async with member(settings) as one, member(settings) as other:
            made = await one.change(adding("a"), "us")
            await until_named(other, "a")
            await delete(kafka, settings.configuration_topic)
            again = await one.next(made.version)
            assert again.resources == made.resources
            assert await other.next(made.version) == again
            more = await until_changed(other, "b")
            assert await until_named(one, "a", "b") == more
        async with member(settings) as later:
            assert later.current() == more
    # The history goes on, and tells of the loss.
    assert [each.version for each in more.history] == list(range(more.version, 0, -1))
    assert any("the topic had lost it" in each.by for each in more.history)
    assert "the topic of the definition has lost what is in force, which is put back" in warned(lines)  # type: ignore[arg-type]  # structlog's own type


async def until_changed(kept: KeptDefinition, name: str) -> Definition:
    """What is in force once a change went through: brokers may take some seconds to know a new topic."""
    while True:
        try:
            return await kept.change(adding(name), "us")
        except KafkaUnavailable:
            await asyncio.sleep(0.1)


async def test_what_is_in_force_is_put_back_where_somebody_gave_it_a_tombstone(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    async with member(settings) as one:
        await append(settings, record(proposal("a", 1)))
        await until_named(one, "a")
        await append(settings, (proposal("a", 1).key, None))
        again = await one.next(1)
        assert (again.version, names(again)) == (2, ["a"])
    async with member(settings) as later:
        assert later.current() == again


async def test_while_kafka_is_away_nothing_is_known_or_changed_and_afterwards_all_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_definition, "_AWAY_S", 4.0)
    monkeypatch.setattr(kept_definition, "_AGAIN_S", 0.2)
    with start_kafka() as broker:
        servers = broker.bootstrap_servers
        await create_topic(servers, "events", partitions=3)
        settings = settings_for(servers, "events")
        async with member(settings) as one, member(settings) as other:
            made = await one.change(adding("a"), "us")
            await until_named(other, "a")
            await asyncio.to_thread(broker.kill)
            with pytest.raises(KafkaUnavailable):
                await one.change(adding("b"), "us")
            await until(lambda: _unavailable(one) is not None)
            assert "Kafka has not answered for" in str(_unavailable(one))
            with pytest.raises(DefinitionUnavailable):
                await one.change(adding("b"), "us")
            assert await one.next(0) == made
            await asyncio.to_thread(broker.restart)
            await until(lambda: _unavailable(one) is None)
            assert "a" in names(one.current())
            more = await until_changed(one, "c")
            assert {"a", "c"} <= set(names(more))
            assert await until_version(other, more.version) == more


async def test_kafka_that_is_away_at_the_start_is_told_once_it_stays_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_definition, "_AGAIN_S", 0.01)
    with capture_logs() as lines:
        async with running(settings_for("127.0.0.1:1", "events")) as kept:
            await until(lambda: any(line["event"] == UNFOLLOWED for line in lines))
            assert "none of the servers answers" in str(_unavailable(kept))
    tried_again = "the topic of the definition is tried again"
    ours = [
        (line["log_level"], line["event"]) for line in lines if line["event"] in {tried_again, UNFOLLOWED}
    ]
    assert ours == [("info", tried_again), ("warning", UNFOLLOWED)]


async def test_what_compaction_leaves_is_the_definition_in_force_also_where_it_took_the_end() -> None:
    with start_kafka({"log.cleaner.backoff.ms": "100"}) as broker:
        servers = broker.bootstrap_servers
        await create_topic(servers, "events", partitions=3)
        settings = settings_for(servers, "events")
        topic = settings.configuration_topic
        async with administered(servers) as admin:
            compaction = {
                "cleanup.policy": "compact",
                "min.cleanable.dirty.ratio": "0.01",
                "delete.retention.ms": "0",
            }
            await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=compaction)])
        log = [record(proposal(f"a{version}", version)) for version in range(1, 20)]
        log += [record(proposal(f"r{version}", version)) for version in range(1, 20)]
        tombstones = [(each.key, None) for each in log if each != log[18]]
        await append(settings, *log, *tombstones)
        end = len(log) + len(tombstones)
        await asyncio.to_thread(roll, broker, topic, end)
        while not await is_gone(servers, topic, end - 1):
            await asyncio.to_thread(roll, broker, topic, end)
        async with member(settings) as kept:
            assert (kept.current().version, names(kept.current())) == (19, ["a19"])
            assert (await kept.change(adding("b"), "us")).version == 20


async def test_a_topic_that_another_client_made_by_looking_is_used_and_warned_of(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    async with administered(kafka) as admin:
        await admin.create_topics([NewTopic(settings.configuration_topic, 3, 1)])
    with capture_logs() as lines:
        async with member(settings) as kept:
            assert (await kept.change(adding("a"), "us")).version == 1
    (reason,) = [line["reason"] for line in lines if line["event"] == "the topic of the definition forgets"]
    assert "cleanup.policy=delete" in reason
