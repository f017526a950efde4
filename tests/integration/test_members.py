"""Members die, freeze, join and leave: every profile's exports come out once in order, as the model says."""

from __future__ import annotations

import asyncio
import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.group import PROFILES, caught_up
from tests.support.members import (
    Member,
    Producer,
    changes,
    expected,
    first_occurrences,
    member_environ,
    repeats,
)
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5), faults=Faults(throttled=0.02, lost_after=0.01))
    scripted.check_order = False  # a frozen member's request may arrive beside its successor's
    async with served(scripted) as url:
        yield scripted, url


pytestmark = [pytest.mark.integration]

IN_FLIGHT = 400
"""More than what a member has taken and not acknowledged when it ends, at the rate of these tests."""


@pytest.mark.parametrize("workers", [1, 2, 4])
async def test_workers_that_are_killed_again_and_again_lose_and_reorder_nothing(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path, workers: int
) -> None:
    scripted, url = kinesis
    rng = random.Random(workers)
    environ = member_environ(kafka, topic, tmp_path, url)
    member = await Member(tmp_path, environ, workers).start()
    try:
        async with Producer(kafka, topic) as producer:
            for round_ in range(3):
                for _ in range(10):
                    await producer.produce(changes(rng, 40, PROFILES, len(producer.events)))
                    await asyncio.sleep(rng.random() * 0.1)
                await caught_up(scripted, {"some": [""] * (50 * round_ + 1)})
                await producer.produce(changes(rng, 100, PROFILES, len(producer.events)))
                if workers == 1:
                    await member.kill()
                    member = await Member(tmp_path, environ, workers).start()
                else:
                    member.signal_worker(rng, signal.SIGKILL)
            wanted = expected(producer.events)
        await caught_up(scripted, wanted)
        assert await member.stop() == 0
    finally:
        await member.kill()
    assert first_occurrences(scripted) == wanted
    assert repeats(scripted) <= 3 * IN_FLIGHT


async def test_members_that_join_and_leave_take_partitions_over_with_their_state(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    scripted.faults = Faults()
    rng = random.Random(11)
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    environs = [member_environ(kafka, topic, home, url) for home in homes]
    one = await Member(homes[0], environs[0]).start()
    two = None
    try:
        async with Producer(kafka, topic) as producer:
            await producer.produce(changes(rng, 300, PROFILES))
            await caught_up(scripted, expected(producer.events))
            two = await Member(homes[1], environs[1]).start()
            for _ in range(20):
                await producer.produce(changes(rng, 30, PROFILES, len(producer.events)))
                await asyncio.sleep(0.1)
            await caught_up(scripted, expected(producer.events))
            assert await one.stop() == 0
            await producer.produce(changes(rng, 300, PROFILES, len(producer.events)))
            wanted = expected(producer.events)
        await caught_up(scripted, wanted)
        assert await two.stop() == 0
    finally:
        await one.kill()
        if two is not None:
            await two.kill()
    assert first_occurrences(scripted) == wanted
    # Nobody died, and every answer came: what was handed over was handed over whole.
    assert repeats(scripted) == 0


async def test_a_member_that_is_frozen_past_its_session_repeats_at_most_what_was_in_flight(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, url = kinesis
    rng = random.Random(13)
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    members = [await Member(home, member_environ(kafka, topic, home, url)).start() for home in homes]
    try:
        async with Producer(kafka, topic) as producer:
            await producer.produce(changes(rng, 300, PROFILES))
            await caught_up(scripted, expected(producer.events))
            for frozen, other in (members, members[::-1]):
                await producer.produce(changes(rng, 150, PROFILES, len(producer.events)))
                frozen.process.send_signal(signal.SIGSTOP)
                await producer.produce(changes(rng, 150, PROFILES, len(producer.events)))
                # The other takes all over, and exports what the frozen one would have.
                await caught_up(scripted, expected(producer.events))
                assert other.process.returncode is None
                frozen.process.send_signal(signal.SIGCONT)
                await producer.produce(changes(rng, 150, PROFILES, len(producer.events)))
                await caught_up(scripted, expected(producer.events))
            wanted = expected(producer.events)
        assert [await member.stop() for member in members] == [0, 0]
    finally:
        for member in members:
            await member.kill()
    assert first_occurrences(scripted) == wanted
    assert repeats(scripted) <= 2 * IN_FLIGHT
