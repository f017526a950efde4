"""Moves a definition between the two files and Kafka, for commands: each connects, and is done."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from processor.definition.files import derived_files, name_of, why_idle
from processor.definition.from_files import Making, definition_of
from processor.definition.sealing import SECRETS, sealed_token
from processor.errors import ConfigurationError, Problem
from processor.operations.definition_in_kafka import definition_in_kafka, followed_definition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.configuration import Files
    from processor.definition.files import Unseal
    from processor.definition.model import Definition, Resource
    from processor.definition.sealing import Sealing
    from processor.flow_service.documents import Json
    from processor.settings import Settings

REFERENCES: Final[Mapping[str, str]] = {
    "accessKeyId": "${EXPORT_ACCESS_KEY_ID}",
    "secretKey": "${EXPORT_SECRET_KEY}",
}
"""What stands in files for a secret that is sealed in Kafka, by its member."""


class Moved(NamedTuple):
    """What a move to Kafka comes to: the definition before and after it; the same where the files say what was there."""

    former: Definition
    made: Definition

    @property
    def is_change(self) -> bool:
        """Whether something is other than it was."""
        return self.made is not self.former


class Written(NamedTuple):
    """The two files of a definition, and what to know before they are followed, a sentence each."""

    destination: str
    governance: str | None
    notes: list[str]


async def move_to_kafka(
    settings: Settings,
    files: Files,
    environ: Mapping[str, str],
    sealing: Sealing,
    *,
    by: str,
    replaces: bool,
) -> Moved:
    """Put the definition that the files amount to in force; one that is there already only where it `replaces` that.

    Raises:
        ConfigurationError: something is wrong with the files, or see `moved_onto`.
        DefinitionUnavailable, DefinitionConflict, KafkaRefused, KafkaUnavailable: see `KeptDefinition.change`.

    """
    # What is wrong with the files is told before anything is connected.
    made = await asyncio.to_thread(definition_of, files, environ, _making(sealing, by))
    moved: Moved | None = None

    def make(former: Definition) -> Definition:
        nonlocal moved
        moved = moved_onto(former, made, sealing.unseal, replaces=replaces)
        return moved.made

    async with followed_definition(settings) as kept:
        kept_now = await kept.change(make, by)
    if moved is None:
        raise AssertionError("a change was made of nothing")
    return moved._replace(made=kept_now) if moved.is_change else moved


async def tried_move_to_kafka(
    settings: Settings, files: Files, environ: Mapping[str, str], sealing: Sealing, *, replaces: bool
) -> Moved:
    """What `move_to_kafka` would come to; nothing is changed, nor created.

    Raises:
        ConfigurationError, DefinitionUnavailable, KafkaRefused, KafkaUnavailable: as there.

    """
    made = await asyncio.to_thread(definition_of, files, environ, _making(sealing, ""))
    return moved_onto(await definition_in_kafka(settings), made, sealing.unseal, replaces=replaces)


def moved_onto(former: Definition, made: Definition, unseal: Unseal, *, replaces: bool) -> Moved:
    """The definition of files in the place of the former one, bound to their stream.

    Raises:
        ConfigurationError: another one is there, or there was one that is bound to another stream, and it is not to be replaced.

    """
    if former.resources and _says_the_same(former, made, unseal):
        return Moved(former, former)
    was = former.bound_to
    if not replaces and was is not None and was != made.bound_to:
        raise _refused(
            "stream",
            f"the definition in Kafka is bound to {was.stream} in {was.region}: the group's state says what was exported there",
            "Move it under another PROCESSOR_KAFKA_GROUP, or give the files that stream; or, if nothing was exported there yet, "
            "replace the definition with --replace",
        )
    if former.resources and not replaces:
        raise _refused(
            "(the file)",
            f"there is another definition in Kafka already, version {former.version}, of {len(former.resources)} objects",
            "Look at it by `processor configuration show`, and replace it with --replace",
        )
    # Where the state is of another stream after all, workers refuse to go on with it.
    return Moved(former, replace(made, version=former.version))


def written_as_files(definition: Definition) -> Written:
    """The files that export what a definition does; secrets that are sealed are references in them.

    Raises:
        ConfigurationError: there is no dataflow, or the objects amount to no files.

    """
    sealed: list[str] = []
    changed = [_with_references(each, sealed) for each in definition.of("connections")]
    derived = derived_files(definition.with_(*changed), _never)
    if derived.problems:
        raise ConfigurationError(derived.problems)
    destination, governance = derived.for_people()
    if destination is None:
        raise _refused(
            "flows", "there is no dataflow, and so no destination", "Make one by the API, or write the files"
        )
    notes = [_without_counterpart(each) for each in _not_in_files(definition)]
    notes.append("ids, times and versions of the objects have no counterpart in the files")
    if sealed:
        variables = ", ".join(REFERENCES[each][2:-1] for each in dict.fromkeys(sealed))
        notes.append(f"secrets are not written: set {variables} in the service's environment to them")
    idle = why_idle(definition)
    if idle is not None:
        notes.append(f"{idle}, so that nothing is exported now; a service that follows the files exports")
    return Written(destination, governance, notes)


def _not_in_files(definition: Definition) -> list[Resource]:
    """The objects that leave nothing in the files: those of the platform, and those that no dataflow leads to."""
    led_to: set[object] = set()
    for flow in definition.of("flows"):
        led_to.update(_ids(flow.body.get("targetConnectionIds")))
    targets = definition.of("targetConnections")
    led_to.update(each.body.get("baseConnectionId") for each in targets if each.id in led_to)
    connections = [each for each in [*definition.of("connections"), *targets] if each.id not in led_to]
    return [*connections, *definition.of("sourceConnections")]


def _ids(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _without_counterpart(resource: Resource) -> str:
    why = (
        "the source is the topic of PROCESSOR_KAFKA_TOPIC"
        if resource.collection == "sourceConnections"
        else "no dataflow leads to Kinesis by it"
    )
    name = resource.body.get("name")
    return f"{name_of(resource.collection, resource.id)}{f' ({name})' if name else ''} is left out: {why}"


def _with_references(connection: Resource, sealed: list[str]) -> Resource:
    """The connection with a reference in place of each secret that is sealed, whose member is added to `sealed`."""
    auth = connection.body.get("auth")
    params = auth.get("params") if isinstance(auth, dict) else None
    if not isinstance(auth, dict) or not isinstance(params, dict):
        return connection
    found: dict[str, Json] = {
        name: REFERENCES[name] for name in SECRETS if sealed_token(params.get(name)) is not None
    }
    sealed.extend(found)
    return replace(connection, body={**connection.body, "auth": {**auth, "params": {**params, **found}}})


def _says_the_same(former: Definition, made: Definition, unseal: Unseal) -> bool:
    """Whether both amount to the same files, secrets included, and neither is at rest."""
    if why_idle(former) != why_idle(made) and why_idle(former) is not None:
        return False
    one, other = derived_files(former, unseal), derived_files(made, unseal)
    texts = [(each.destination, each.governance) for each in (one, other)]
    return not one.problems and not other.problems and texts[0] == texts[1]


def _making(sealing: Sealing, by: str) -> Making:
    return Making(round(time.time() * 1000), by, lambda: str(uuid.uuid4()), sealing)


def _never(collection: str, id_: str, member: str, _: str) -> str:
    raise AssertionError(f"{name_of(collection, id_)}: {member} is sealed after all")


def _refused(member: str, message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem("configuration in Kafka", None, member, message, remedy)])
