"""Encrypts the secrets of the definition in Kafka anew, with the first of the keys, so that the others can be thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from processor.definition.sealing import resealed
from processor.operations.definition_in_kafka import definition_in_kafka, followed_definition

if TYPE_CHECKING:
    from processor.definition.model import Definition
    from processor.definition.sealing import Sealing
    from processor.settings import Settings


class Resealed(NamedTuple):
    """The version of the definition, and of how many objects secrets were encrypted anew in it."""

    version: int
    objects: int


async def reseal(settings: Settings, sealing: Sealing, *, by: str) -> Resealed:
    """Have every secret of the definition in force encrypted with the first key; nothing is written where all are.

    Raises:
        ConfigurationError: none of the keys decrypts one of them.
        DefinitionUnavailable, DefinitionConflict, KafkaRefused, KafkaUnavailable: see `KeptDefinition.change`.

    """
    former = await definition_in_kafka(settings)
    if not former.version:
        return Resealed(0, 0)

    def make(newest: Definition) -> Definition:
        nonlocal former
        former = newest
        return resealed(newest, sealing)

    async with followed_definition(settings) as kept:
        changed = await kept.change(make, by)
    return Resealed(changed.version, _changes(former, changed))


async def tried_reseal(settings: Settings, sealing: Sealing) -> Resealed:
    """What `reseal` would come to; nothing is changed.

    Raises:
        ConfigurationError, DefinitionUnavailable, KafkaRefused, KafkaUnavailable: as there.

    """
    former = await definition_in_kafka(settings)
    return Resealed(former.version, _changes(former, resealed(former, sealing)))


def _changes(former: Definition, made: Definition) -> int:
    return sum(made.resources[key].body != each.body for key, each in former.resources.items())
