"""What must hold in the end of a life in which the configuration changes: every profile is what the last configuration says."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from processor.backfill.note import decode_note, newest
from processor.errors import Reason
from processor.kafka.changelog import BACKFILL_KEY
from tests.simulation.acceptor import Event, Rules, Unaccepted, accepted, bare, ends_of
from tests.simulation.configurations import configuration
from tests.simulation.outcome import check_repeats, check_state, dead_letters, first_occurrences
from tests.simulation.violation import Violation
from tests.simulation.workload import PARTITIONS
from tests.support.naive_model import NaiveModel, comparable, pairs, read_json

if TYPE_CHECKING:
    from processor.backfill.note import BackfillNote
    from tests.simulation.acceptor import Node
    from tests.simulation.configurations import Choice
    from tests.simulation.world import World


class _Profile(NamedTuple):
    """What a life has of one profile."""

    events: list[Event]
    is_in_source: bool
    """Its latest event is."""
    seen: list[bytes]
    """Its exports, the first of each."""


def check_changed_outcome(world: World) -> None:
    """See that all holds, of a life in which the configuration changes.

    Raises:
        Violation: something does not.

    """
    profiles = {partition: _profiles(world, partition) for partition in range(PARTITIONS)}
    ends = {
        key: _ends(world, partition, key, profile)
        for partition, found in profiles.items()
        for key, profile in found.items()
    }
    for found in profiles.values():
        for key, profile in found.items():
            _check_destination(world, key, profile)
    notes = {partition: note_of(world, partition) for partition in range(PARTITIONS)}
    check_state(
        world,
        lambda partition, kept: {
            key
            for key in {**profiles[partition], **kept}
            if bare(kept.get(key)) not in {node.state for node in ends.get(key, ())}
        },
    )
    for partition, note in notes.items():
        if note_of(world, partition) != note:
            raise Violation(f"partition {partition}: compaction loses the newest note of a backfill")
    if world.following.has_names and not world.following.goes_back:
        check_repeats(world)
    _check_dead_letters(world)


def note_of(world: World, partition: int) -> BackfillNote | None:
    """The newest note of a partition's changelog."""
    log = world.broker.log(world.settings.changelog_topic, partition)
    note = newest(record.value or b"" for record in log.records if record.key == BACKFILL_KEY)
    return None if note is None else decode_note(note)


def is_complete(world: World) -> bool:
    """Whether all state is complete for the last configuration."""
    notes = [note_of(world, partition) for partition in range(PARTITIONS)]
    return all(
        note is not None
        and note.is_complete
        and note.fingerprint == world.following.last.fingerprint
        and (note.request == world.following.request or not world.following.request)
        for note in notes
    )


def _profiles(world: World, partition: int) -> dict[bytes, _Profile]:
    events: dict[bytes, list[Event]] = defaultdict(list)
    latest: dict[bytes, int] = {}
    for event in world.events:
        if event.partition == partition and event.key is not None:
            events[event.key].append(Event(event.key, event.value, event.headers))
            latest[event.key] = event.offset
    in_source = {record.offset for record in world.broker.log("events", partition).records}
    seen = first_occurrences(world)
    return {key: _Profile(events[key], latest[key] in in_source, seen.get(key, [])) for key in events}


def _ends(world: World, partition: int, key: bytes, profile: _Profile) -> set[Node]:
    rules = Rules(
        begins_again=partition in world.begun_again,
        goes_back=world.following.goes_back,
        is_rejected=world.is_rejected,
    )
    choices = world.following.choices
    try:
        nodes = accepted(choices, profile.events, profile.seen, rules)
    except Unaccepted as error:
        raise Violation(f"{key.decode()}: {error}") from error
    return ends_of(nodes, choices, profile.events, is_in_source=profile.is_in_source)


def _check_destination(world: World, key: bytes, profile: _Profile) -> None:
    """See that the last export says of a profile what its latest event says under the last configuration."""
    choices = world.following.choices
    if not profile.is_in_source or (wanted := _view(choices[-1], profile.events[-1])) is None:
        return
    exports = [record.data for record in world.kinesis.stored if record.partition_key.encode() == key]
    found = _exported(choices, exports[-1] if exports else None)
    # What is unmapped goes without a word: of what was, once, the destination may know nothing.
    always = set.intersection(*[set(choice.segments) for choice in choices])
    if found.members & always != wanted.members & always:
        raise Violation(f"{key.decode()}: the destination has it in {found.members}, it is in {wanted.members}")
    if wanted.members and (found.attributes, found.identities) != (wanted.attributes, wanted.identities):
        raise Violation(f"{key.decode()}: the destination has {found}, it is {wanted}")


class _View(NamedTuple):
    """What the destination may see of a profile."""

    members: set[str]
    attributes: dict[str, Any]
    identities: set[tuple[str, str]]


def _view(choice: Choice, event: Event) -> _View | None:
    """By the naive model; None where the event is invalid."""
    chosen = configuration(choice)
    model = NaiveModel(chosen.destination, chosen.governance)
    if model.apply(*event, 0).reason is not None:
        return None
    exported = model.exported.get(event.key)
    if exported is None:
        return _View(set(), {}, set())
    attributes = {path: comparable(tree) for path, tree in exported.attributes.items()}
    return _View({id_ for _, id_ in exported.times}, attributes, pairs(exported.identities))


def _exported(choices: list[Choice], data: bytes | None) -> _View:
    tree = read_json(data) if data else {"segmentMembership": {}, "identityMap": {}}
    entries = tree["segmentMembership"].get("ups", {})
    return _View(
        {id_ for id_, entry in entries.items() if entry["status"] != "exited"},
        {path: comparable(tree[path]) for path in choices[-1].attributes if path in tree},
        pairs(tree["identityMap"]),
    )


def _check_dead_letters(world: World) -> None:
    """See that what is invalid under all configurations is there, and that what is there is invalid under one, or was rejected."""
    choices = world.following.choices
    invalid = {
        (event.partition, event.offset): [
            _view(choice, Event(event.key, event.value, event.headers)) is None for choice in choices
        ]
        for event in world.events
        if event.key is not None
    }
    letters = dead_letters(world)
    refused = {(partition, offset) for partition, offset, why in letters if why != Reason.REJECTED.value}
    for place, answers in invalid.items():
        if (all(answers) and place not in refused) or (place in refused and not any(answers)):
            raise Violation(f"dead letter of {place}: {place in refused}, invalid under {answers}")
