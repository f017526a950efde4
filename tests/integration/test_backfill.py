"""The service's backfills on a real Kafka: whatever changes its files, and whatever ends it meanwhile, each profile is exported as the naive model says."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from processor.configuration import parse_configuration
from tests.support.members import (
    DESTINATION,
    Member,
    Producer,
    first_occurrences,
    member_environ,
    plain,
    repeats,
)
from tests.support.naive_model import NaiveModel
from tests.support.observation import ready, url_of
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    Event = tuple[bytes, bytes | None]

pytestmark = [pytest.mark.integration]

PROFILES = 45
ACTION = "emailTargeting"
BARE = {"segments": [{"id": "one"}], "marketingActions": [ACTION]}
MORE = {**BARE, "segments": [{"id": "one"}, {"id": "two"}], "attributes": ["number"]}
OTHER = {**BARE, "segments": [{"id": "one"}, {"id": "three"}], "attributes": ["number", "agreed"]}
OPT_IN = {
    "consentPolicies": [
        {
            "name": "opt-in",
            "status": "ENABLED",
            "marketingActionRefs": [ACTION],
            "requires": {"path": "agreed", "in": ["y"]},
        }
    ]
}


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


def events(rng: random.Random, first: int) -> list[Event]:
    """Two of each profile, of which some are tombstones, in any of three segments."""
    found: list[Event] = []
    for number in range(first, first + 2 * PROFILES):
        key = b"profile-%03d" % rng.randrange(PROFILES)
        if rng.random() < 0.05:
            found.append((key, None))
            continue
        entries = {
            segment: {"status": "realized", "lastQualificationTime": f"2020-01-01T00:00:00.{number:06d}Z"}
            for segment in ("one", "two", "three")
            if rng.random() < 0.6
        }
        value = {"number": number, "agreed": rng.choice("yn"), "segmentMembership": {"ups": entries}}
        found.append((key, json.dumps(value).encode()))
    return found


class Files:
    """A member's configuration, as an operator edits it; the model follows once it is told that it is taken."""

    def __init__(self, directory: Path, environ: dict[str, str]) -> None:
        self._destination, self._governance = directory / "destination.yaml", directory / "governance.yaml"
        environ["PROCESSOR_GOVERNANCE_FILE"] = str(self._governance)
        self._connection = json.loads(self._destination.read_text())["connection"]
        self._texts = "", ""
        self.write(BARE)
        self._model = NaiveModel(*self._parsed())
        self._latest: dict[bytes, Event] = {}
        self.exports: dict[str, dict[str, None]] = defaultdict(dict)
        """Of each profile, what a consumer sees of it, in order, repeats left out."""

    def write(self, destination: dict[str, Any], governance: dict[str, Any] | None = None) -> None:
        self._texts = (
            json.dumps({**DESTINATION, "attributes": [], **destination, "connection": self._connection}),
            json.dumps(governance or {}),
        )
        self._destination.write_text(self._texts[0])
        self._governance.write_text(self._texts[1])

    def _parsed(self) -> Any:
        return parse_configuration(
            (self._texts[0], "destination.yaml"), (self._texts[1], "governance.yaml"), {}
        )

    def live(self, events: Sequence[Event]) -> None:
        """Have the model see live events."""
        for event in events:
            self._latest[event[0]] = event
            self._apply(event)

    def backfilled(self) -> None:
        """Have the model look at all latest events, under the files of now."""
        self._model.destination, self._model.governance = self._parsed()
        for event in self._latest.values():
            self._apply(event)

    def _apply(self, event: Event) -> None:
        told = self._model.apply(*event, (), 0)
        assert told.reason is None
        if told.data is not None:
            assert told.partition_key is not None
            self.exports[told.partition_key][json.dumps(plain(told.data))] = None

    @property
    def told(self) -> dict[str, list[str]]:
        return {profile: list(exports) for profile, exports in self.exports.items()}


async def until_exported(kinesis: ScriptedKinesis, files: Files) -> None:
    """Wait until the stream has what the model says, and no more."""
    while sum(map(len, first_occurrences(kinesis).values())) < sum(map(len, files.exports.values())):
        await asyncio.sleep(0.05)
    assert first_occurrences(kinesis) == files.told


async def complete(directory: Path, count: int) -> None:
    """Wait until so many backfills of partitions were told to be complete, by the member and its former lives."""
    while logs(directory).count("a backfill is complete") < count:
        await asyncio.sleep(0.05)


def logs(directory: Path) -> str:
    return "".join(log.read_text() for log in directory.glob("member-*.log"))


async def test_all_profiles_follow_what_is_mapped_by_reload_and_by_restart_through_a_kill_in_the_midst_and_a_consent_policy(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, kinesis_url = kinesis
    rng = random.Random(11)
    environ = member_environ(kafka, topic, tmp_path, kinesis_url)
    files = Files(tmp_path, environ)
    member = await Member(tmp_path, environ).start()
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:

            async def produce(first: int) -> None:
                happened = events(rng, first)
                await producer.produce(happened)
                files.live(happened)
                await until_exported(scripted, files)

            await ready(http, await url_of(member))
            await produce(0)

            files.write(MORE)
            member.process.send_signal(signal.SIGHUP)
            files.backfilled()
            await until_exported(scripted, files)
            await complete(tmp_path, 3)
            await produce(1_000)
            assert repeats(scripted) == 0

            # Other files by a restart, with all that a worker knows on disk; it is killed in the midst.
            assert await member.stop() == 0
            before = len(scripted.stored)
            files.write(OTHER)
            slow = {**environ, "PROCESSOR_BACKFILL_MAX_EVENTS_PER_S": "4"}
            member = await Member(tmp_path, slow).start()
            while len(scripted.stored) < before + 3:
                await asyncio.sleep(0.02)
            await member.kill()
            assert "a backfill has begun" in member.log.read_text()
            assert "a backfill is complete" not in member.log.read_text()
            member = await Member(tmp_path, environ).start()
            files.backfilled()
            await until_exported(scripted, files)
            # A profile's export may be there already, and its state not yet: a live event would be exported from the state before.
            await complete(tmp_path, 6)
            await produce(2_000)

            before = len(scripted.stored)
            exits = exited(files)
            files.write(OTHER, OPT_IN)
            member.process.send_signal(signal.SIGHUP)
            files.backfilled()
            await until_exported(scripted, files)
            assert exited(files) > exits + 5
            await produce(3_000)
        assert await member.stop() == 0
    finally:
        await member.kill()
    assert "Traceback" not in logs(tmp_path)


def exited(files: Files) -> int:
    """How many exports say that a profile left a segment."""
    return sum('"exited"' in export for exports in files.told.values() for export in exports)


async def test_one_member_after_the_other_takes_the_same_files_and_nothing_is_exported_twice(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    """Two members; each is reloaded in its turn, and then one of them leaves: whoever takes its partitions finds nothing due."""
    scripted, kinesis_url = kinesis
    homes = [tmp_path / "one", tmp_path / "two"]
    members: list[Member] = []
    followed: list[Files] = []
    for home in homes:
        home.mkdir()
        environ = member_environ(kafka, topic, home, kinesis_url)
        followed.append(Files(home, environ))
        members.append(Member(home, environ))
    files = followed[0]
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            for member in members:
                await member.start()
            for member in members:
                await ready(http, await url_of(member))
            happened = events(random.Random(3), 0)
            await producer.produce(happened)
            files.live(happened)
            await until_exported(scripted, files)
            for each, member in zip(followed, members, strict=True):
                each.write(MORE)
                member.process.send_signal(signal.SIGHUP)
            files.backfilled()
            await until_exported(scripted, files)
            await all_complete(members)
            assert await members[0].stop() == 0
            happened = events(random.Random(4), 1_000)
            await producer.produce(happened)
            files.live(happened)
            await until_exported(scripted, files)
            assert repeats(scripted) == 0
        assert await members[1].stop() == 0
    finally:
        for member in members:
            await member.kill()
    assert count(members, lambda line: "two deployments of this group" in line) == 0


async def all_complete(members: Sequence[Member]) -> None:
    while count(members, lambda line: "a backfill is complete" in line) < 3:
        await asyncio.sleep(0.05)


def count(members: Sequence[Member], is_meant: Callable[[str], bool]) -> int:
    return sum(is_meant(line) for member in members for line in member.log.read_text().splitlines())
