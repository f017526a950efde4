"""A member that follows the definition, exports by it, and changes it where it is asked to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from processor.definition.model import Resource
from processor.errors import DefinitionConflict, DefinitionUnavailable, KafkaUnavailable
from processor.operations.kept_definition import KeptDefinition
from tests.simulation.loop import Process
from tests.simulation.violation import Violation

if TYPE_CHECKING:
    from processor.definition.model import Definition
    from processor.flow_service.documents import Json
    from tests.simulation.definition_topic import Link
    from tests.simulation.definition_world import DefinitionWorld

_EVENT_S: Final = 0.5
_STALE_S: Final = 20.0 + 2 * 3.0 + 1.0
"""How old what is taken for current may be: as long as a member thinks Kafka is there, and an answer is on its way."""
_SOON_S: Final = 10.0
"""How soon a member follows, that nothing has happened to."""
_UNKNOWN: Final = "it is not known whether"


@dataclass
class Change:
    """What somebody was told of a change; `begun` where nobody was told anything, for the process died."""

    operation: str
    told: str = "begun"
    version: int = 0


class Member:
    """One process. `name` is its own."""

    def __init__(self, world: DefinitionWorld, name: str, link: Link) -> None:
        self.process = Process(name)
        self.link = link
        self.stop = asyncio.Event()
        self.plan: Definition | None = None
        """What events are exported by."""
        self._world = world
        self._trouble_s = world.loop.now_s
        self.kept = KeptDefinition(world.settings)
        self.running = self.process.start(self.kept.run(self.stop), f"{name} follows")
        self.process.start(self._follow(), f"{name} plans")
        self.process.start(self._export(), f"{name} exports")

    @property
    def is_alive(self) -> bool:
        """Whether it has not been killed, and has not left."""
        return not self.process.is_dead and not self.stop.is_set()

    def trouble(self, until_s: float) -> None:
        """Something hinders it until then."""
        self._trouble_s = max(self._trouble_s, until_s)

    def change(self, change: Change) -> asyncio.Task[None]:
        """Have it change something."""
        return self.process.start(self._changed(change), f"{self.process.name} changes")

    async def _follow(self) -> None:
        version = -1
        while True:
            self.plan = await self.kept.next(version)
            if version > 0 and self.plan.version == 0:
                raise Violation(f"{self.process.name} forgets version {version}")
            version = self.plan.version
            self._world.note(f"{self.process.name} follows {version}")
            self._world.check_in_force(self.plan)

    async def _export(self) -> None:
        while True:
            await asyncio.sleep(_EVENT_S)
            now_s, truth = self._world.loop.now_s, self._world.topic.truth
            if self.plan is not None:
                self._world.check_in_force(self.plan)
            if self._world.is_deleted:
                continue
            version = -1 if self.plan is None else self.plan.version
            if now_s - self._trouble_s > _SOON_S and version < truth.version_at(now_s - _SOON_S):
                raise Violation(f"{self.process.name} exports by version {version} still")
            try:
                current = self.kept.current()
            except DefinitionUnavailable:
                continue
            # An answer from before a freeze is heard after it.
            is_awake = now_s - self.process.frozen_until_s > _STALE_S
            if is_awake and current.version < truth.version_at(now_s - _STALE_S):
                raise Violation(f"{self.process.name} takes version {current.version} for current")

    async def _changed(self, change: Change) -> None:
        def make(former: Definition) -> Definition:
            resource = former.find("connections", "all") or _EMPTY
            body: dict[str, Json] = {"operations": [*operations(former), change.operation]}
            return former.with_(replace(resource, body=body))

        try:
            made = await self.kept.change(make, self.process.name)
        except (DefinitionConflict, DefinitionUnavailable):
            change.told = "not changed"
        except KafkaUnavailable as error:
            change.told = "unknown" if _UNKNOWN in str(error) else "not changed"
        else:
            change.told, change.version = "accepted", made.version
            self._world.check_in_force(made)
            if operations(made)[-1] != change.operation:
                raise Violation(f"{change.operation} is told to be in {operations(made)}")
        self._world.note(f"{self.process.name} is told of {change.operation}: {change.told}")


_EMPTY: Final = Resource("connections", "all", {"operations": []}, '"e"', 0, 0, "", "")


def operations(definition: Definition) -> list[str]:
    """All that were done to a definition."""
    resource = definition.find("connections", "all")
    found = [] if resource is None else resource.body["operations"]
    assert isinstance(found, list)
    return [str(each) for each in found]
