"""What the StatefulSet's overlay promises: a pod that comes back goes on with its partitions, and nobody else notices."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tests.support.assignments import assignments
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


async def shared(*members: Member) -> None:
    """Wait until all own something, and together everything."""
    owned: list[list[int]] = [[]] * len(members)
    while not all(owned) or sorted(partition for each in owned for partition in each) != [0, 1, 2]:
        await asyncio.sleep(0.05)
        owned = [given[-1] if given else [] for given in map(assignments, members)]


async def test_a_member_that_comes_back_has_its_partitions_and_no_one_else_is_disturbed(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url, Producer(kafka, topic) as producer:
        pods = []
        for name in ("processor-0", "processor-1"):
            environ = member_environ(
                kafka,
                topic,
                tmp_path,
                url,
                kafka_instance_id=name,
                kafka_session_timeout_ms="30000",
                kafka_request_timeout_ms="10000",
                state_directory=str(tmp_path / name),
            )
            pods.append((environ, await Member(tmp_path, environ).start()))
        (environ, first), (_, second) = pods
        try:
            await shared(first, second)
            await producer.produce(changes(random.Random(1), 200, PROFILES))
            await caught_up(scripted, expected(producer.events))
            for leaver, stayer in ((first, second), (second, first)):
                before, of_stayer = assignments(leaver)[-1], assignments(stayer)
                assert await leaver.stop() == 0
                await producer.produce(changes(random.Random(2), 200, PROFILES, len(producer.events)))
                come_back = await Member(tmp_path, leaver._environ).start()
                pods.append((environ, come_back))
                await caught_up(scripted, expected(producer.events))
                assert assignments(come_back) == [before]
                assert assignments(stayer) == of_stayer
                first, second = stayer, come_back
        finally:
            for _, each in pods:
                await each.kill()
    assert first_occurrences(scripted) == expected(producer.events)
