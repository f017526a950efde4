"""Two processes with one instance id, on a real broker: one of them has it, the other says so and waits."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.assignments import ASSIGNED, assignments
from tests.support.group import PROFILES, caught_up
from tests.support.members import (
    Member,
    Producer,
    changes,
    expected,
    first_occurrences,
    member_environ,
)
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration]

CONDITION = "instance id"


def told(member: Member, event: str) -> list[str]:
    """What a member's log says of the condition, when it begins or ends."""
    return [
        line.get("reason", "")
        for line in member.lines(CONDITION)
        if line["event"] in event and line["condition"] == CONDITION
    ]


async def until_assigned(member: Member, times: int = 1) -> None:
    while len(assignments(member)) < times:
        await asyncio.sleep(0.05)


async def until_told(member: Member, event: str) -> None:
    while not told(member, event):
        await asyncio.sleep(0.05)


async def heartbeats_of(member: Member) -> None:
    """Long enough that a member would take its id back, if it did."""
    assert member._environ["PROCESSOR_KAFKA_HEARTBEAT_INTERVAL_MS"] == "300"
    await asyncio.sleep(3)


@pytest.mark.parametrize("rival", ["beside", "of a frozen one", "of one of two workers"])
async def test_of_two_with_one_id_the_last_has_it_and_the_other_waits_until_it_has_left(
    kafka: str, topic: str, tmp_path: Path, rival: str
) -> None:
    scripted = ScriptedKinesis(random.Random(5))
    scripted.check_order = False  # for a moment both may send
    rng = random.Random(1)
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    async with served(scripted) as url, Producer(kafka, topic) as producer:
        environs = [
            member_environ(kafka, topic, home, url, kafka_instance_id="pod", log_format="json")
            for home in homes
        ]
        one = await Member(homes[0], environs[0], 2 if "workers" in rival else 1).start()
        two = Member(homes[1], environs[1])
        try:
            await until_assigned(one)
            await producer.produce(changes(rng, 100, PROFILES))
            await caught_up(scripted, expected(producer.events))
            if "frozen" in rival:
                one.process.send_signal(signal.SIGSTOP)
            await two.start()
            await until_assigned(two)
            one.process.send_signal(signal.SIGCONT)
            await until_told(one, "unready")
            (reason,) = set(told(one, "unready"))
            assert "PROCESSOR_KAFKA_INSTANCE_ID" in reason
            assert f"group-{topic}" in reason
            assert "pod-0" in reason
            assert "at 127.0.0.1" in reason
            had = len(assignments(two))
            for _ in range(2):
                await producer.produce(changes(rng, 100, PROFILES, len(producer.events)))
                await caught_up(scripted, expected(producer.events))
                await heartbeats_of(one)
            assert len(assignments(two)) == had, "the id was not taken back"
            assert not told(two, "unready")
            assert not told(one, "recovered ready")
            assert await two.stop() == 0
            await until_told(one, "recovered ready")
            await producer.produce(changes(rng, 100, PROFILES, len(producer.events)))
            await caught_up(scripted, expected(producer.events))
            assert ASSIGNED in one.log.read_text()
            assert await one.stop() == 0
        finally:
            await one.kill()
            await two.kill()
    assert first_occurrences(scripted) == expected(producer.events)


def of_worker(member: Member, worker: int, event: str) -> list[list[int]]:
    return [
        line["partitions"]
        for line in member.lines(event)
        if line["event"] == event and line["worker"] == worker
    ]


async def test_a_worker_that_is_killed_holds_up_its_own_partitions_alone_and_an_end_in_order_none(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    """The session is longer than the test may take: what waits for its end never comes."""
    scripted = ScriptedKinesis(random.Random(5))
    scripted.check_order = False  # a call of the one that was killed may arrive beside its successor's
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    async with served(scripted) as url, Producer(kafka, topic) as producer:
        one, two = (
            Member(
                home,
                member_environ(kafka, topic, home, url, kafka_session_timeout_ms="600000", log_format="json"),
                workers=2,
            )
            for home in homes
        )
        try:
            await one.start()
            owned: list[list[int]] = []
            while not owned or not all(owned) or sorted([*owned[0], *owned[1]]) != [0, 1, 2]:
                await asyncio.sleep(0.05)
                owned = [(of_worker(one, worker, ASSIGNED) or [[]])[-1] for worker in (0, 1)]
            before = [of_worker(one, worker, ASSIGNED) for worker in (0, 1)]
            revoked = of_worker(one, 1, "partitions revoked")
            await producer.produce(changes(random.Random(1), 100, PROFILES))
            await caught_up(scripted, expected(producer.events))
            os.kill(one.worker_pids()[0], signal.SIGKILL)
            await producer.produce(changes(random.Random(2), 100, PROFILES, 100))
            await caught_up(scripted, expected(producer.events))
            assert of_worker(one, 0, ASSIGNED) == [*before[0], owned[0]]
            assert of_worker(one, 1, ASSIGNED) == before[1]
            assert of_worker(one, 1, "partitions revoked") == revoked
            assert await one.stop() == 0
            await two.start()
            await producer.produce(changes(random.Random(3), 100, PROFILES, 200))
            await caught_up(scripted, expected(producer.events))
            assert await two.stop() == 0
        finally:
            for member in (one, two):
                if member._process is not None:
                    await member.kill()
    assert first_occurrences(scripted) == expected(producer.events)


async def test_one_that_waits_ends_at_once_when_it_is_asked_to_and_comes_back_as_the_one_that_has_the_id(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    scripted = ScriptedKinesis(random.Random(5))
    scripted.check_order = False  # as above
    async with served(scripted) as url, Producer(kafka, topic) as producer:
        environ = member_environ(
            kafka,
            topic,
            tmp_path,
            url,
            kafka_instance_id="pod",
            kafka_session_timeout_ms="30000",
            log_format="json",
        )
        old = await Member(tmp_path, environ).start()
        members = [old]
        try:
            await until_assigned(old)
            before = assignments(old)[-1]
            for end in (Member.stop, Member.kill):
                new = await Member(tmp_path, environ).start()
                members.append(new)
                await until_assigned(new)
                assert assignments(new)[-1] == before
                await until_told(old, "unready")
                assert await old.stop() == 0
                await producer.produce(changes(random.Random(2), 60, PROFILES, len(producer.events)))
                await caught_up(scripted, expected(producer.events))
                # The session is long: a pod that was ended, in whatever way, has its partitions back at once.
                await end(new)
                old = await Member(tmp_path, environ).start()
                members.append(old)
                await until_assigned(old)
                assert assignments(old)[-1] == before
                assert not told(old, "unready")
        finally:
            for member in members:
                await member.kill()
    assert first_occurrences(scripted) == expected(producer.events)
