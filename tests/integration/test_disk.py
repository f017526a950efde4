"""A disk that is full under a running service: it waits, says so, and goes on by itself; nothing is lost or repeated."""

from __future__ import annotations

import asyncio
import json
import random
import resource
from typing import TYPE_CHECKING, Protocol

import aiohttp
import pytest

from tests.support.group import caught_up
from tests.support.members import (
    Member,
    Producer,
    changes,
    expected,
    first_occurrences,
    member_environ,
    repeats,
)
from tests.support.observation import ready, scraped, url_of
from tests.support.scrape import sums
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.small_disk import fill, small_disk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration]

DISK_BYTES = 24 * 1024 * 1024


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


class Disk(Protocol):
    """Where the stores are, and how it is filled and emptied under a member that runs."""

    path: Path

    def fill(self, member: Member) -> None:
        """From now on it takes nothing."""

    def make_room(self, member: Member) -> None:
        """It does again."""


class FileSystem:
    """A small file system of its own, in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, _: Member) -> None:
        fill(self.path / "filler")

    def make_room(self, _: Member) -> None:
        (self.path / "filler").unlink()


class Limit:
    """A limit of how large files may grow: what a user may do who may not mount; RocksDB fails on it alike."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, member: Member) -> None:
        self._limit(member, 20_000)

    def make_room(self, member: Member) -> None:
        self._limit(member, resource.RLIM_INFINITY)

    def _limit(self, member: Member, size_bytes: int) -> None:
        for pid in member.worker_pids():
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    with small_disk(path, DISK_BYTES) as is_mounted:
        yield FileSystem(path) if is_mounted else Limit(path)


def wide(number: int) -> tuple[bytes, bytes]:
    """An event whose profile has a large state."""
    entry = {"status": "realized", "lastQualificationTime": "2020-01-01T00:00:00Z"}
    event = {
        "number": number,
        "segmentMembership": {"ups": {"one": entry}},
        "identityMap": {"email": [{"id": f"{number}-{'x' * 1_000}"}]},
    }
    return b"wide-%d" % number, json.dumps(event).encode()


async def disk_reason(http: aiohttp.ClientSession, url: str) -> str:
    """What `/readyz` says of the disk, once it does."""
    while True:
        async with http.get(f"{url}/readyz") as answer:
            reasons: dict[str, str] = (await answer.json())["reasons"]
        for what, why in reasons.items():
            if what.endswith("disk"):
                assert answer.status == 503
                return why
        await asyncio.sleep(0.05)


async def test_a_service_whose_disk_is_full_waits_and_goes_on_by_itself_once_there_is_room(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path, disk: Disk
) -> None:
    scripted, url = kinesis
    rng = random.Random(6)
    environ = member_environ(
        kafka,
        topic,
        tmp_path,
        url,
        state_directory=str(disk.path / "state"),
        state_memory_bytes=str(16 * 1024 * 1024),
    )
    member = await Member(tmp_path, environ).start()
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            at = await url_of(member)
            await ready(http, at)
            await producer.produce(changes(rng, 200, 100))
            await caught_up(scripted, expected(producer.events))
            disk.fill(member)
            # So much that changes of each partition are to be written before their time.
            await producer.produce([wide(number) for number in range(3_000)])
            assert "the disk is full: make room" in await disk_reason(http, at)
            disk.make_room(member)
            await ready(http, at)
            await producer.produce(changes(rng, 200, 100, len(producer.events)))
            await caught_up(scripted, expected(producer.events))
            found = sums(await scraped(http, at))["0"]
            while not (found["processor_state_disk_free_bytes"] and found["processor_state_disk_bytes"]):
                found = sums(await scraped(http, at))["0"]
            assert found["processor_state_disk_free_bytes"] < found["processor_state_disk_size_bytes"]
        assert await member.stop() == 0
    finally:
        await member.kill()
    assert first_occurrences(scripted) == expected(producer.events)
    assert repeats(scripted) == 0
    log = member.log.read_text()
    assert "Traceback" not in log
    assert log.count('"serving health') == 1, "it did not end"
