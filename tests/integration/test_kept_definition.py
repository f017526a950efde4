"""A definition that is kept in Kafka is followed by every member and changed by any of them, whatever happens to its topic."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from processor.definition.model import Definition, Resource
from processor.operations.kept_definition import KeptDefinition
from tests.support.topics import described
from tests.support.world import settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from processor.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@asynccontextmanager
async def member(settings: Settings) -> AsyncIterator[KeptDefinition]:
    """A member that follows the definition, once it has read it."""
    kept, stop = KeptDefinition(settings), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(kept.run(stop))
        await kept.next(-1)
        yield kept
        stop.set()


def adding(name: str) -> Callable[[Definition], Definition]:
    """A change that adds a connection of this name."""
    return lambda former: former.with_(
        Resource("connections", name, {"name": name}, f'"{name}"', 1, 1, "us", "us")
    )


def names(definition: Definition) -> list[str]:
    return [each.id for each in definition.of("connections")]


async def test_what_a_member_changes_every_member_follows_and_the_next_start_finds(
    kafka: str, topic: str
) -> None:
    settings = settings_for(kafka, topic)
    async with member(settings) as one, member(settings) as other:
        assert one.current() == Definition()
        made = await one.change(adding("a"), "us")
        assert (made.version, names(made)) == (1, ["a"])
        assert await other.next(0) == made
        again = await other.change(adding("b"), "us")
        assert (again.version, names(again)) == (2, ["a", "b"])
        assert await one.next(1) == again
    async with member(settings) as later:
        assert later.current() == again


async def test_the_topic_is_made_once_compacted_and_of_one_partition(kafka: str, topic: str) -> None:
    settings = settings_for(kafka, topic)
    async with member(settings), member(settings), member(settings):
        partitions, configuration = await described(kafka, settings.configuration_topic)
    assert (partitions, configuration["cleanup.policy"]) == (1, "compact")


async def test_of_writers_at_once_none_loses_what_another_changed(kafka: str, topic: str) -> None:
    settings = settings_for(kafka, topic)
    wanted = [f"name-{number}" for number in range(8)]
    async with member(settings) as one, member(settings) as other:
        async with asyncio.TaskGroup() as tasks:
            for number, name in enumerate(wanted):
                tasks.create_task((one, other)[number % 2].change(adding(name), "us"))
        last = await one.change(lambda former: former, "us")
        assert sorted(names(last)) == wanted
        assert last.version == len(wanted)
