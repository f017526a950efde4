"""Definitions, and proposals of them, as tests have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from processor.definition.model import Definition, Resource, Target
from processor.definition.record import Proposal, encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class LogRecord(NamedTuple):
    """A record of the topic of the definition."""

    key: bytes | None
    value: bytes | None


def connection(name: str) -> Resource:
    """A connection whose id is its name."""
    return Resource("connections", name, {"name": name}, f'"{name}"', 1, 2, "us", "them")


def adding(name: str) -> Callable[[Definition], Definition]:
    """A change that adds a connection of this name."""
    return lambda former: former.with_(connection(name))


def names(definition: Definition) -> list[str]:
    """The names of a definition's connections."""
    return [each.id for each in definition.of("connections")]


def definition(version: int, *connections: str, bound_to: Target | None = None) -> Definition:
    """A definition with connections of these names."""
    return Definition(version, {("connections", each): connection(each) for each in connections}, bound_to)


def proposal(id_: str, version: int, lineage: Sequence[str] = ()) -> Proposal:
    """A proposal whose definition has a connection that is named like it."""
    return Proposal(id_, version - 1, version, lineage, definition(version, id_), 5, "us")


def record(of: Proposal) -> LogRecord:
    """A proposal's record."""
    return LogRecord(of.key, encoded(of))


def tombstone(of: Proposal) -> LogRecord:
    """What has compaction take a proposal."""
    return LogRecord(of.key, None)
