"""Whole lives of a partition, with crashes, changes and live events: each profile ends as the last configuration says."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from processor.backfill.note import decode_note
from processor.errors import KafkaUnavailable
from processor.kafka.changelog import BACKFILL_KEY, OWN_KEYS
from processor.profile.state_record import decode_record, record_order
from processor.worker.restore import restore
from tests.support.memory_store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.backfill_parts import (
    ONE,
    THREE,
    TWO,
    A,
    B,
    C,
    Owner,
    World,
    all_agree,
    balance,
    event,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Life:
    """Owners come and go with a store that may be lost; each follows one of three configurations, or two."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World()
        self.offset = self.committed = 0
        self.latest: dict[bytes, set[str]] = {}
        self.core = ONE

    async def run(self) -> None:
        for _ in range(5):
            async with self.owner() as owner:
                await self.work(owner)
        async with self.owner() as owner:
            await self.work(owner)
            await until(lambda: owner.partition.is_idle and self.is_complete)

    @property
    def is_complete(self) -> bool:
        note = self.world.notes[-1] if self.world.notes else None
        return note is not None and note.is_complete and note.fingerprint == self.core.fingerprint

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[Owner]:
        world, rng = self.world, self.rng
        if rng.random() < 0.3:
            world.store = MemoryStore()
            await restore(world.changelog, 0, world.store, len(world.changelog.records), lambda _: None)
        self.core = rng.choice([ONE, TWO, THREE])
        replayed = [each for each in world.history.records if each.offset >= self.committed]
        async with world.owner(
            self.core,
            start_offset=self.committed,
            max_events_per_s=rng.choice([0, 20, 100]),
            caught_up_at=world.end,
        ) as owner:
            if replayed:
                owner.partition.offer(replayed, self.offset)
            yield owner
            assert balance(owner) == 0
        await owner.partition.abandon()
        self.committed = owner.partition.next_offset or self.committed

    async def work(self, owner: Owner) -> None:
        rng = self.rng
        for _ in range(rng.randrange(6)):
            self.offer(owner)
            await asyncio.sleep(rng.choice([0, 0.005, 0.1, 1]))
            if rng.random() < 0.2:
                self.core = rng.choice([ONE, TWO, THREE])
                owner.partition.follow(self.core)
            if rng.random() < 0.2:
                self.world.history.failures = [KafkaUnavailable("as scripted")]
        await asyncio.sleep(rng.choice([0, 0.1, 1]))

    def offer(self, owner: Owner) -> None:
        events = []
        for _ in range(self.rng.randrange(8)):
            namespaces = [each for each in ("ups", "crm", "web") if self.rng.random() < 0.5]
            events.append(event(self.offset, f"p{self.rng.randrange(12)}", *namespaces))
            self.latest[events[-1].key or b""] = set(namespaces)
            self.offset += self.rng.choice([1, 1, 2])
        if events:
            owner.offer(*events)


@pytest.mark.parametrize("seed", range(40))
def test_through_crashes_changes_and_live_events_each_profile_ends_as_the_last_configuration_says(
    seed: int,
) -> None:
    async def live() -> None:
        life = Life(seed)
        await life.run()
        world, latest = life.world, life.latest
        await all_agree(world)
        stands_behind_its_note(world)
        assert world.notes[-1].fingerprint == life.core.fingerprint
        mapped = {A: {"ups"}, B: {"ups", "crm"}, C: {"ups", "web"}}[life.core.fingerprint]
        assert members(world) == {key: found & mapped for key, found in latest.items() if found & mapped}
        for key, found in at_destination(world).items():
            assert found >= latest[key] & mapped, key
            # A segment that was unmapped meanwhile went without a word.
            assert ("ups" in found) == ("ups" in latest[key]), key

    run_in_virtual_time(live())


def stands_behind_its_note(world: World) -> None:
    """What was made under one configuration stands before the note of the next: so a restore knows what came late."""
    since = 0
    for record in world.changelog.records:
        if record.key == BACKFILL_KEY:
            since = decode_note(record.value or b"").since
        elif record.key and not record.key.startswith(OWN_KEYS) and record.value is not None:
            assert record_order(record.value)[0] >= since


def members(world: World) -> dict[bytes, set[str]]:
    """By profile, the namespaces in whose segment it is by its state."""
    found = {}
    for profile, record in world.store.records.items():
        keys = decode_record(record).memberships
        if keys:
            found[profile] = {"ups" if key == "s1" else key.split("\0")[0] for key in keys}
    return found


def at_destination(world: World) -> dict[bytes, set[str]]:
    """By profile, the namespaces in whose segment it is by what the stream has."""
    found: dict[bytes, set[str]] = defaultdict(set)
    for partition_key, data in world.kinesis.stored:
        for namespace, entries in json.loads(data)["segmentMembership"].items():
            if entries["s1"]["status"] == "exited":
                found[partition_key.encode()].discard(namespace)
            else:
                found[partition_key.encode()].add(namespace)
    return found
