"""Mistakes that somebody could make in keeping the definition in Kafka, each of which the simulation must find."""

from __future__ import annotations

import contextvars
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from processor.definition import history, record
from processor.definition.fold import Fold, InForce
from processor.definition.record import Proposal, decoded
from processor.errors import KafkaUnavailable
from processor.operations import kept_definition
from processor.operations.kept_definition import KeptDefinition
from tests.simulation.definition_topic import DefinitionTopic
from tests.simulation.mistakes import instead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from processor.definition.model import Definition


def _taken_if(is_accepted: Callable[[Proposal, InForce], bool]) -> Callable[[Any], Any]:
    def made(_: Any) -> Any:
        def mistaken(self: Fold, key: bytes, value: bytes | None) -> None:
            if value is None:
                self._keys.pop(key, None)
                return
            proposal = decoded(key, value)
            if proposal is None:
                return
            self._keys[key] = None
            if is_accepted(proposal, self.in_force):
                self._accept(key, proposal)

        return mistaken

    return made


def _forgotten_by_a_tombstone(take: Any) -> Any:
    def mistaken(self: Fold, key: bytes, value: bytes | None) -> None:
        if value is None and self._keys.get(key, b"") is None:
            # What has a tombstone is gone, and the newest of the rest is in force.
            self._key, self.in_force = None, InForce()
        take(self, key, value)

    return mistaken


def _in_force_too(_: Any) -> Any:
    return property(lambda self: list(self._keys))


def _cleared_beforehand(append: Any) -> Any:
    async def mistaken(self: KeptDefinition, topic: Any, key: bytes, value: bytes) -> None:
        await topic.append([(former, None) for former in self._superfluous])
        if self._in_force.version:
            id_ = self._in_force.lineage[0]
            await topic.append([(Proposal(id_, 0, self._in_force.version, (), None).key, None)])
        await append(self, topic, key, value)

    return mistaken


def _taken_for_accepted(_: Any) -> Any:
    async def mistaken(_self: KeptDefinition, _proposal: Proposal) -> bool:
        return True

    return mistaken


def _by_the_last_alone(_: Any) -> Any:
    def mistaken(self: InForce, id_: str, version: int) -> bool | None:
        return None if self.version < version else id_ == self.lineage[0]

    return mistaken


def _all_that_there_was(follow: Any) -> Any:
    async def mistaken(self: DefinitionTopic, link: Any) -> Any:
        async for followed in follow(self, link):
            yield followed._replace(is_at_end=followed.is_current)

    return mistaken


def _twice(append: Any) -> Any:
    async def mistaken(self: DefinitionTopic, link: Any, key: bytes, value: bytes | None) -> None:
        # As a producer without idempotence does, whose first answer was lost.
        again_s = self._rng.uniform(0.0, 2.0)
        self.last_arrival_s = max(self.last_arrival_s, self._loop.now_s + again_s)
        self._loop.call_later(again_s, self.put, key, value, context=contextvars.Context())
        await append(self, link, key, value)

    return mistaken


def _made_again(change: Any) -> Any:
    async def mistaken(self: KeptDefinition, make: Any, by: str) -> Definition:
        try:
            made: Definition = await change(self, make, by)
        except KafkaUnavailable:
            made = await change(self, make, by)
        return made

    return mistaken


def _made_of_the_former(change: Any) -> Any:
    async def mistaken(self: KeptDefinition, make: Any, by: str) -> Definition:
        made: list[Definition] = []

        def once(former: Definition) -> Definition:
            if not made:
                made.append(make(former))
            return replace(made[0], version=former.version)

        changed: Definition = await change(self, once, by)
        return changed

    return mistaken


def _never_away(_: Any) -> Any:
    def mistaken(self: KeptDefinition) -> Definition:
        assert self._in_force.definition is not None
        return self._in_force.definition

    return mistaken


def _told_nothing_of_it(append: Any) -> Any:
    async def mistaken(self: KeptDefinition, topic: Any, key: bytes, value: bytes) -> None:
        try:
            await append(self, topic, key, value)
        except KafkaUnavailable as error:
            raise KafkaUnavailable("nothing was changed") from error

    return mistaken


def _nothing_cleared(_: Any) -> Any:
    async def mistaken(_self: KeptDefinition, _topic: Any) -> None:
        """What was superseded stays."""

    return mistaken


def _not_put_back(_: Any) -> Any:
    async def mistaken(_self: KeptDefinition, _fold: Fold) -> bool:
        return False

    return mistaken


def _without_lineage(proposal: Any) -> Any:
    def mistaken(self: KeptDefinition, former: Definition, made: Definition, by: str) -> Proposal:
        found: Proposal = proposal(self, former, made, by)
        return replace(found, lineage=())

    return mistaken


@contextmanager
def _by_whom_it_was_tried() -> Iterator[None]:
    """A history in which what was refused stands as well, in the place of its rival."""
    tried: dict[int, Definition] = {}

    def recorded(former: Definition, made: Definition, at_ms: int, by: str) -> Definition:
        new = history.recorded(tried.get(former.version, former), made, at_ms, by)
        tried.setdefault(new.version, new)
        return new

    with mock.patch.object(kept_definition, "recorded", recorded):
        yield


@contextmanager
def _of_changes_made_here_alone() -> Iterator[None]:
    def recorded(former: Definition, made: Definition, at_ms: int, by: str) -> Definition:
        own = tuple(each for each in former.history if each.by == by)
        return history.recorded(replace(former, history=own), made, at_ms, by)

    with mock.patch.object(kept_definition, "recorded", recorded):
        yield


@contextmanager
def _a_key_for_each_version() -> Iterator[None]:
    class Whatever(str):
        """Equal to whatever stands in a key's place."""

        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, _: object) -> bool:
            return True

    def parts(key: bytes) -> tuple[int, str] | None:
        text = key.decode()
        return (int(text[-12:]), Whatever()) if text.startswith("definition-") and len(text) == 23 else None

    with ExitStack() as stack:
        key = property(lambda self: f"definition-{self.version:012}".encode())
        stack.enter_context(mock.patch.object(Proposal, "key", key))
        stack.enter_context(mock.patch.object(record, "_key_parts", parts))
        yield


DEFINITION_MISTAKES: Final[dict[str, Callable[[], AbstractContextManager[Any]]]] = {
    "whatever comes last is in force": instead(Fold, "_take", _taken_if(lambda *_: True)),
    "a rival of the same version is accepted": instead(
        Fold, "_take", _taken_if(lambda proposal, now: proposal.version >= now.version)
    ),
    "a version that was not made from the present one is accepted": instead(
        Fold, "_take", _taken_if(lambda proposal, now: proposal.version > now.version - 2)
    ),
    "what compaction took is missed": instead(
        Fold, "_take", _taken_if(lambda proposal, now: proposal.from_ == now.version)
    ),
    "a tombstone takes what is in force": instead(Fold, "_take", _forgotten_by_a_tombstone),
    "what is in force is given a tombstone": instead(Fold, "superfluous", _in_force_too),
    "what is superseded is cleared beforehand": instead(KeptDefinition, "_append", _cleared_beforehand),
    "what was appended is taken for accepted": instead(KeptDefinition, "_decided", _taken_for_accepted),
    "what was superseded is taken for refused": instead(InForce, "became_of", _by_the_last_alone),
    "what has come is taken for all that there is": instead(DefinitionTopic, "follow", _all_that_there_was),
    "proposals are repeated without idempotence": instead(DefinitionTopic, "append", _twice),
    "a change that may have been kept is made again": instead(KeptDefinition, "change", _made_again),
    "a refused change is proposed again as it was made": instead(
        KeptDefinition, "change", _made_of_the_former
    ),
    "what is known is taken for current though Kafka is away": instead(
        KeptDefinition, "current", _never_away
    ),
    "a writer is told that nothing was changed though it is not known": instead(
        KeptDefinition, "_append", _told_nothing_of_it
    ),
    "nothing is cleared": instead(KeptDefinition, "_clear", _nothing_cleared),
    "what a deleted topic had is not put back": instead(KeptDefinition, "_is_put_back", _not_put_back),
    "a proposal does not say what led to it": instead(KeptDefinition, "_proposal", _without_lineage),
    "a refused change stands in the history": _by_whom_it_was_tried,
    "a member writes down its own changes alone": _of_changes_made_here_alone,
    "proposals of one version share a key": _a_key_for_each_version,
    "what is away is not waited for": lambda: mock.patch.object(kept_definition, "_DECIDED_S", 0.001),
}
