"""A life of the definition in Kafka: members come, go and change it, faults happen; then all is mended, and what is in force is checked."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from contextlib import ExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from unittest import mock

import structlog

from processor.definition.history import ENTRIES_MAX
from processor.errors import KafkaUnavailable
from processor.kafka.topics import TopicShape
from processor.operations import kept_definition
from processor.settings import load_settings
from tests.simulation.definition_member import Change, Member, operations
from tests.simulation.definition_topic import DefinitionTopic, Link
from tests.simulation.loop import PROCESS, Simulation
from tests.simulation.violation import Violation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from processor.definition.model import Definition
    from processor.kafka.followed_topic import Followed
    from processor.settings import Settings

LIFE_S: Final = 90.0
_MEMBERS_MAX: Final = 4
_SETTLED_S: Final = 60.0
"""Longer than what was begun takes, and than a member waits before it tries again, where there are no faults."""
_CHANGED_S: Final = 400.0
_SILENT: Final = structlog.make_filtering_bound_logger(logging.CRITICAL)


class Happening(NamedTuple):
    """Something that happens at a moment, and the number that decides how."""

    at_s: float
    what: str
    number: int


def planned_happenings(seed: int) -> list[Happening]:
    """What happens in the life of a seed."""
    rng = random.Random(seed)
    weights = {**_WEIGHTS, **({"delete": 1} if _has_deletion(seed) else {})}
    found, at_s = list[Happening](), 0.0
    while at_s < LIFE_S:
        what = rng.choices(list(weights), list(weights.values()))[0]
        found.append(Happening(at_s, what, rng.randrange(1 << 30)))
        # Some at once, then none for a while.
        at_s += rng.choice([0.0, 0.0, 0.01, 0.05, 0.5, 2.0, 8.0])
    return found


class DefinitionWorld:
    """One life, from one seed: with all happenings that the seed plans, or with some of them."""

    def __init__(self, seed: int, happenings: Sequence[Happening] | None = None, chance: int = 0) -> None:
        self.rng = random.Random(f"{seed}, {chance}")
        self.loop = Simulation(self.rng)  # type: ignore[abstract]  # what nobody here has a use for is left out
        self.happenings = planned_happenings(seed) if happenings is None else list(happenings)
        self.trace: list[str] = []
        self.settings = _settings()
        self.is_deleted = False
        """Whether the topic ever was."""
        self.changes: list[Change] = []
        self._members: list[Member] = []
        self._links: dict[str, Link] = {}
        self._tasks: list[tuple[Member, asyncio.Task[None]]] = []

    def run(self) -> DefinitionWorld:
        """Live it.

        Raises:
            Violation: what must hold did not; `trace` has what happened.

        """
        ids = random.Random(self.rng.random())
        with ExitStack() as stack:
            logs = structlog.get_config()
            stack.callback(structlog.configure, **logs)
            structlog.configure(wrapper_class=_SILENT)
            for name, value in (
                ("secrets", SimpleNamespace(token_hex=lambda size: ids.randbytes(size).hex())),
                ("time", SimpleNamespace(time=self.loop.time)),
                ("open_topics", self._open_topics),
                ("DEFINITION_TOPIC", SimpleNamespace(prepare=self._prepare, warning=_no_warning)),
                ("follow_topic", self._follow),
                ("open_definition_appends", self._open_appends),
            ):
                stack.enter_context(mock.patch.object(kept_definition, name, value))
            self.loop.run(self._live())
        return self

    def note(self, what: str) -> None:
        """For the trace."""
        self.trace.append(f"{self.loop.now_s:9.3f} s  {what}")

    def check_in_force(self, definition: Definition) -> None:
        """See that a definition is, or was, in force, and that its history is what led to it.

        Raises:
            Violation: it never was, or not whole.

        """
        found = definition.version, tuple(operations(definition))
        if all(found != (each.version, each.operations) for each in self.topic.truth.accepted):
            raise Violation(f"version {found[0]} was never in force with {list(found[1])}")
        told = [(each.version, each.by) for each in definition.history]
        versions = list(range(definition.version, max(0, definition.version - ENTRIES_MAX), -1))
        if [version for version, _ in told] != versions:
            raise Violation(f"version {definition.version} has a history of {told}")
        were_in_force = {(each.version, each.by) for each in self.topic.truth.accepted}
        if not were_in_force.issuperset(told):
            raise Violation(f"version {definition.version} tells of changes that never were: {told}")

    @property
    def was_put_back(self) -> bool:
        """Whether a member proposed anew what the topic had lost."""
        return any(each.by == kept_definition._PUT_BACK for each in self.topic.truth.accepted)

    async def _live(self) -> None:
        self.topic = DefinitionTopic(self.rng, self.loop, self.note)
        for _ in range(self.rng.randrange(1, _MEMBERS_MAX)):
            self._join()
        for happening in self.happenings:
            await asyncio.sleep(max(0.0, happening.at_s - self.loop.now_s))
            _HAPPENINGS[happening.what](self, random.Random(happening.number))
            self._heed_failures()
        await self._mend()
        self._check_changes()
        await self._check_end()

    def _join(self) -> Member:
        name = f"member-{len(self._links)}"
        self._links[name] = link = Link(self.rng, self.loop)
        self._members.append(Member(self, name, link))
        self.note(f"{name} starts")
        return self._members[-1]

    def alive(self) -> list[Member]:
        """The members that there are."""
        return [each for each in self._members if each.is_alive]

    def some(self, rng: random.Random) -> Member | None:
        """One of them; None where there is none."""
        alive = self.alive()
        return rng.choice(alive) if alive else None

    def come(self, _: random.Random) -> None:
        """One more starts, where there are few."""
        if len(self.alive()) < _MEMBERS_MAX:
            self._join()

    def change(self, rng: random.Random) -> None:
        """One is asked for a change, or several are at once."""
        for _ in range(rng.choice([1, 1, 2, 3])):
            member = self.some(rng)
            if member is not None:
                change = Change(f"change-{len(self.changes)}")
                self.changes.append(change)
                self._tasks.append((member, member.change(change)))

    def delete(self, _: random.Random) -> None:
        """Somebody deletes the topic."""
        if self.topic.is_there:
            self.note("the topic is deleted")
            self.topic.delete()
            self.is_deleted = True

    def _heed_failures(self) -> None:
        for member in self._members:
            for task in member.process.tasks:
                if task.done() and not task.cancelled() and not member.process.is_dead:
                    task.result()

    async def _mend(self) -> None:
        for member in self._members:
            member.process.forget_plans()
            member.link.mend()
        if not self.alive():
            self._join()
        thawed_s = max(each.process.frozen_until_s for each in self._members)
        over_s = max(thawed_s, self.topic.last_arrival_s, self.loop.now_s)
        await asyncio.sleep(over_s - self.loop.now_s + _SETTLED_S)
        for member, task in self._tasks:
            if member.is_alive:
                await asyncio.wait([task], timeout=_CHANGED_S)
                if not task.done():
                    raise Violation(f"{member.process.name}: a change does not end")
        self._heed_failures()

    def _check_changes(self) -> None:
        accepted = self.topic.truth.accepted
        for each in accepted:
            if len(set(each.operations)) < len(each.operations):
                raise Violation(f"version {each.version} has a change twice: {each.operations}")
        if self.was_put_back and not self.is_deleted:
            raise Violation("what is in force was put back, though nothing was lost")
        for change in self.changes:
            has = [each for each in accepted if change.operation in each.operations]
            if has and change.told == "not changed":
                raise Violation(f"{change.operation} was told not to be made, and is in {has[0].version}")
            if change.told != "accepted":
                continue
            if change.version not in [each.version for each in has]:
                raise Violation(f"{change.operation} was told to be accepted, and is not in {change.version}")
            if change.operation not in accepted[-1].operations and not self.is_deleted:
                raise Violation(f"{change.operation} was accepted, and is lost")

    async def _check_end(self) -> None:
        await self._changed_by(self.alive(), "last")
        # Who is refused clears nothing: the next change does.
        await asyncio.sleep(1.0)
        await self._changed_by(self.alive()[:1], "very last")
        await asyncio.sleep(1.0)
        self._heed_failures()
        if self.topic.values != 1:
            raise Violation(f"{self.topic.values} definitions are kept")
        for _ in range(2):
            self.topic.compact(wholly=True)
        self._join()
        await asyncio.sleep(1.0)
        last = self.topic.truth.accepted[-1]
        for member in self.alive():
            found = member.kept.current()
            if (found.version, tuple(operations(found))) != (last.version, last.operations):
                raise Violation(
                    f"{member.process.name} ends with version {found.version}, not {last.version}"
                )
            if member.plan != found:
                raise Violation(f"{member.process.name} exports by another version in the end")
        for member in self.alive():
            member.stop.set()
            await asyncio.wait([member.running], timeout=5.0)
            if not member.running.done():
                raise Violation(f"{member.process.name} does not end")

    async def _changed_by(self, members: Sequence[Member], which: str) -> None:
        """Have all of them change something at once, with no fault left."""
        asked = [(member, Change(f"{which} of {member.process.name}")) for member in members]
        await asyncio.gather(*(member.change(change) for member, change in asked))
        for _, change in asked:
            if change.told != "accepted":
                raise Violation(f"{change.operation}, with no fault left: {change.told}")

    def _link(self) -> Link:
        process = PROCESS.get()
        assert process is not None
        return self._links[process.name]

    @asynccontextmanager
    async def _open_topics(self, *_: object) -> AsyncIterator[_Topics]:
        await self._link().ask()
        yield _Topics()

    async def _prepare(self, *_: object) -> bool:
        await self._link().ask()
        return self.topic.create()

    def _follow(self, *_: object) -> AsyncGenerator[Followed, None]:
        return self.topic.follow(self._link())

    @asynccontextmanager
    async def _open_appends(self, *_: object) -> AsyncIterator[_Appends]:
        await self._link().ask()
        yield _Appends(self.topic, self._link())


class _Topics:
    async def shape(self, _: str) -> TopicShape:
        """Of the source."""
        return TopicShape(3, 1)


class _Appends:
    def __init__(self, topic: DefinitionTopic, link: Link) -> None:
        self._topic = topic
        self._link = link

    async def append(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """See `SmallAppends`."""
        for key, value in records:
            if not self._topic.is_there:
                raise KafkaUnavailable("simulated: no such topic")
            await self._topic.append(self._link, key, value)


async def _no_warning(*_: object) -> None:
    return None


def _kill(world: DefinitionWorld, rng: random.Random) -> None:
    member = world.some(rng)
    if member is not None:
        world.note(f"{member.process.name} is killed")
        member.process.kill()


def _kill_in_a_change(world: DefinitionWorld, rng: random.Random) -> None:
    member = world.some(rng)
    if member is None:
        return

    def kill(step: str) -> None:
        world.note(f"{member.process.name} is killed before a step of {step}")
        member.process.kill()

    steps = rng.randrange(60)
    member.process.after_steps(steps, kill, f"{member.process.name} changes")
    world.change(rng)


def _freeze(world: DefinitionWorld, rng: random.Random) -> None:
    member = world.some(rng)
    if member is not None:
        _frozen(world, member, rng)


def _frozen(world: DefinitionWorld, member: Member, rng: random.Random) -> None:
    for_s = rng.choice([1.0, 5.0, 30.0, 60.0]) * rng.random()
    until_s = max(member.process.frozen_until_s, world.loop.now_s + for_s)
    world.note(f"{member.process.name} is frozen until {until_s:.3f} s")
    member.process.freeze(until_s)
    # What waits for its time meanwhile is tried anew afterwards.
    member.trouble(until_s + 50.0)


def _freeze_in_a_change(world: DefinitionWorld, rng: random.Random) -> None:
    member = world.some(rng)
    if member is not None:
        steps = rng.randrange(60)
        member.process.after_steps(
            steps, lambda _: _frozen(world, member, rng), f"{member.process.name} changes"
        )
        world.change(rng)


def _cut(world: DefinitionWorld, rng: random.Random) -> None:
    for_s = rng.choice([2.0, 10.0, 40.0]) * rng.random()
    members = world.alive() if rng.random() < 0.3 else [each for each in [world.some(rng)] if each]
    for member in members:
        world.note(f"{member.process.name} is cut off for {for_s:.1f} s")
        member.link.cut(for_s)
        member.trouble(world.loop.now_s + for_s + 30.0)


def _spoil(world: DefinitionWorld, rng: random.Random) -> None:
    for_s = rng.choice([5.0, 20.0]) * rng.random()
    for member in world.alive():
        if rng.random() < 0.6:
            world.note(f"{member.process.name} loses requests and answers for {for_s:.1f} s")
            member.link.spoil(for_s)
            member.trouble(world.loop.now_s + for_s + 30.0)


def _compact(world: DefinitionWorld, _: random.Random) -> None:
    world.topic.compact()


def _garbage(world: DefinitionWorld, rng: random.Random) -> None:
    key = rng.choice([b"request", b"definition-000000000009-zz", b""])
    world.topic.put(key, rng.choice([b"no JSON", None]))


_HAPPENINGS: Final[dict[str, Callable[[DefinitionWorld, random.Random], Any]]] = {
    "change": DefinitionWorld.change,
    "come": DefinitionWorld.come,
    "kill": _kill,
    "kill in a change": _kill_in_a_change,
    "freeze": _freeze,
    "freeze in a change": _freeze_in_a_change,
    "cut off": _cut,
    "lose": _spoil,
    "compact": _compact,
    "garbage": _garbage,
    "delete": DefinitionWorld.delete,
}
_WEIGHTS: Final = {
    "change": 14,
    "come": 4,
    "kill": 1,
    "kill in a change": 2,
    "freeze": 1,
    "freeze in a change": 3,
    "cut off": 2,
    "lose": 3,
    "compact": 10,
    "garbage": 1,
}


def _has_deletion(seed: int) -> bool:
    """In every eighth life somebody may delete the topic."""
    return seed % 8 == 7


@functools.cache
def _settings() -> Settings:
    return load_settings(
        {
            "PROCESSOR_KAFKA_SERVERS": "simulated:9092",
            "PROCESSOR_KAFKA_TOPIC": "events",
            "PROCESSOR_KAFKA_GROUP": "group",
        }
    )


def failure_of_definition(seed: int) -> str | None:
    """What was wrong in the life of a seed; None where nothing was."""
    try:
        DefinitionWorld(seed).run()
    except Exception as error:  # noqa: BLE001  whatever it is, it is what this looks for
        return f"{type(error).__name__}: {error}"
    return None
