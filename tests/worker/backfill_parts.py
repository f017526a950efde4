"""What tests of a partition's backfills are made of: what outlives its owners, and an owner."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from processor.backfill.note import BackfillNote, decode_note
from processor.governance.plan import compile_plan
from processor.kafka.changelog import BACKFILL_KEY
from processor.profile.core import Core
from processor.telemetry.status import Status
from processor.worker.restore import restore
from tests.kafka.model import MemoryChangelog
from tests.support.changed_plans import ENTRY, plan
from tests.support.memory_history import MemoryHistory, backfilling
from tests.support.memory_store import MemoryStore
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.worker.parts import Event, PartitionParts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from processor.kafka.changelog import Span
    from processor.kafka.changelog_batches import Deletion
    from processor.worker.partition import Partition


def core_of(*namespaces: str) -> Core:
    """That of a plan which maps a segment of each of these."""
    return Core(compile_plan(plan([(namespace, "s1") for namespace in namespaces], "number")))


ONE = core_of("ups")
TWO = core_of("ups", "crm")
THREE = core_of("ups", "web")
A, B, C = ONE.fingerprint, TWO.fingerprint, THREE.fingerprint


JOINED = [{"ups": "existing", "crm": "realized"}]
"""What is exported of a profile in all segments once TWO is followed, after ONE."""


def event(offset: int, key: str, *namespaces: str) -> Event:
    membership = {namespace: {"s1": ENTRY} for namespace in namespaces}
    value = {"number": offset, "segmentMembership": membership}
    return Event(offset, key.encode(), json.dumps(value).encode())


def everywhere(count: int) -> list[Event]:
    """Profiles in all segments, one event each."""
    return [event(offset, f"p{offset}", "ups", "crm", "web") for offset in range(count)]


class HeldChangelog(MemoryChangelog):
    """A changelog that takes only what `holds` is not true of."""

    def __init__(self) -> None:
        super().__init__()
        self.holds: Callable[[Mapping[bytes, bytes | Deletion]], bool] = lambda _: False

    async def append(self, partition: int, entries: Mapping[bytes, bytes | Deletion]) -> list[Span]:
        while self.holds(entries):
            await asyncio.sleep(0.01)
        return await super().append(partition, entries)


class World:
    """What outlives the owners of partition 0: its source, its changelog, the stream, and a store that may be lost."""

    def __init__(self, *events: Event, faults: Faults | None = None) -> None:
        self.history = MemoryHistory()
        self.changelog = HeldChangelog()
        self.store = MemoryStore()
        self.kinesis = ScriptedKinesis(random.Random(0), faults=faults)
        self.exports: list[tuple[bytes, dict[str, str]]] = []
        """Profile and statuses by namespace, in the order in which they were submitted, by all owners."""
        self.before = list(events)

    @asynccontextmanager
    async def owner(
        self,
        core: Core,
        *,
        max_events_per_s: int = 0,
        is_off: bool = False,
        start_offset: int | None = None,
        caught_up_at: int = 0,
        source_may_lack: bool = False,
    ) -> AsyncIterator[Owner]:
        """A worker that has the partition, until it drains or crashes."""
        status = Status()
        shared = backfilling(
            self.history,
            status.backfills,
            max_events_per_s=max_events_per_s,
            is_off=is_off,
            source_may_lack=source_may_lack,
        )
        parts = PartitionParts(
            store=self.store,
            changelog=self.changelog,
            its_core=core,
            start_offset=self.end if start_offset is None else start_offset,
            kinesis=self.kinesis,
            backfilling=shared,
            caught_up_at=caught_up_at,
            status=status,
        )
        async with parts.running() as partition:
            yield Owner(self, parts, partition)
        self.exports += told(parts)

    @asynccontextmanager
    async def exported(
        self, core: Core, *, max_events_per_s: int = 0, is_off: bool = False
    ) -> AsyncIterator[Owner]:
        """An owner of the partition that has exported, under another configuration, what was there before, and now follows `core`."""
        async with self.owner(ONE, start_offset=0, max_events_per_s=max_events_per_s, is_off=is_off) as owner:
            await owner.live(*self.before)
            owner.exports_before = len(owner.exports)
            owner.partition.follow(core)
            yield owner

    @property
    def end(self) -> int:
        return self.history.records[-1].offset + 1 if self.history.records else 0

    @property
    def notes(self) -> list[BackfillNote]:
        """All that the changelog has."""
        return [decode_note(value) for value in self.changelog.values(BACKFILL_KEY)]


def told(parts: PartitionParts) -> list[tuple[bytes, dict[str, str]]]:
    return [
        (
            export.profile,
            {
                namespace: entries["s1"]["status"]
                for namespace, entries in json.loads(export.data)["segmentMembership"].items()
            },
        )
        for ticket in parts.writer.tickets
        for export in ticket.exports
    ]


class Owner:
    """A worker that has the partition."""

    def __init__(self, world: World, parts: PartitionParts, partition: Partition) -> None:
        self.world, self.parts, self.partition = world, parts, partition
        self.exports_before = 0

    @property
    def exports(self) -> list[tuple[bytes, dict[str, str]]]:
        return told(self.parts)

    @property
    def later(self) -> dict[bytes, list[dict[str, str]]]:
        """What was exported of each profile since the other configuration is followed."""
        found = defaultdict(list)
        for profile, statuses in self.exports[self.exports_before :]:
            found[profile].append(statuses)
        return dict(found)

    def offer(self, *events: Event) -> None:
        self.world.history.records += events
        self.partition.offer(list(events), self.world.end)

    async def live(self, *events: Event) -> None:
        """Have events come, and all of them acknowledged."""
        if events:
            self.offer(*events)
            await until(lambda: self.partition.next_offset == events[-1].offset + 1)

    async def complete(self) -> None:
        """Wait for the end of all backfills."""
        await until(lambda: self.progress is not None and self.progress.stage == "complete")

    @property
    def progress(self):  # type: ignore[no-untyped-def]  # noqa: ANN201  as `Backfills` has it
        return self.parts.status.backfills.progress.get(0)


async def until(condition: Callable[[], bool], timeout_s: float = 3_000.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.001)


async def all_agree(world: World) -> None:
    """A store that is lost is rebuilt to what it was."""
    rebuilt = MemoryStore()
    assert await restore(world.changelog, 0, rebuilt, len(world.changelog.records), lambda _: None) == set()
    assert rebuilt.records == world.store.records
    assert rebuilt.backfill == world.store.backfill


def balance(owner: Owner) -> int:
    """What is received and not accounted for."""
    figures = owner.parts.status.figures
    return figures.received - (
        figures.exported
        + figures.unchanged
        + figures.skipped
        + sum(figures.dead_lettered.values())
        + figures.abandoned
        + figures.in_flight
    )
