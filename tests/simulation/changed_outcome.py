"""What must hold in the end of a life in which the configuration changes: every profile is what the last configuration says."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from processor.backfill.note import decode_note, newest
from processor.errors import Reason
from processor.kafka.changelog import BACKFILL_KEY
from tests.simulation.acceptor import At, Event, Rules, Unaccepted, accepted, bare, ends_of
from tests.simulation.configurations import configuration
from tests.simulation.outcome import check_repeats, check_state, dead_letters, first_occurrences
from tests.simulation.violation import Violation
from tests.simulation.workload import PARTITIONS
from tests.support.naive_model import NaiveModel, comparable, pairs, read_json

if TYPE_CHECKING:
    from processor.backfill.note import BackfillNote
    from tests.simulation.acceptor import Accepted
    from tests.simulation.broker import Record
    from tests.simulation.configurations import Choice
    from tests.simulation.world import World


class _Profile(NamedTuple):
    """What a life has of one profile."""

    partition: int
    events: list[Record]
    is_in_source: bool
    """Its latest event is."""
    seen: list[bytes]
    """Its exports, the first of each."""

    @property
    def told(self) -> list[Event]:
        """Its events, as a core is told of them."""
        return [_event(record) for record in self.events]


def check_changed_outcome(world: World) -> None:
    """See that all holds, of a life in which the configuration changes.

    Raises:
        Violation: something does not.

    """
    profiles = _profiles(world)
    found = {key: _accepted(world, key, profile) for key, profile in profiles.items()}
    for key, profile in profiles.items():
        # Of what was rejected, the destination has nothing.
        if not found[key].rejected.keys() & world.refused:
            _check_destination(world, key, profile)
    _check_states(world, profiles, found)
    if world.following.has_names and not world.following.goes_back:
        check_repeats(world)
    letters = dead_letters(world)
    rejected = {(number, offset) for number, offset, why in letters if why == Reason.REJECTED.value}
    invalid = {(number, offset) for number, offset, why in letters if why != Reason.REJECTED.value}
    _check_invalid(world, invalid)
    _check_rejected(world, profiles, found, rejected)


def _check_states(world: World, profiles: dict[bytes, _Profile], found: dict[bytes, Accepted]) -> None:
    choices = world.following.choices
    right = {
        key: {
            node.state
            for node in ends_of(found[key].nodes, choices, profile.told, is_in_source=profile.is_in_source)
        }
        for key, profile in profiles.items()
    }
    notes = [note_of(world, partition) for partition in range(PARTITIONS)]

    def find_wrong(partition: int, kept: dict[bytes, bytes]) -> set[bytes]:
        there = {key for key, profile in profiles.items() if profile.partition == partition}
        return {key for key in there | kept.keys() if bare(kept.get(key)) not in right.get(key, ())}

    check_state(world, find_wrong)
    if [note_of(world, partition) for partition in range(PARTITIONS)] != notes:
        raise Violation("compaction loses the newest note of a backfill")


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
        and note.fingerprint == world.following.last.core.fingerprint
        and (note.request == world.following.request or not world.following.request)
        for note in notes
    )


def _profiles(world: World) -> dict[bytes, _Profile]:
    events: dict[bytes, list[Record]] = defaultdict(list)
    for event in world.events:
        events[event.key or b""].append(event)
    logs = [world.broker.log("events", partition) for partition in range(PARTITIONS)]
    in_source = {(log.partition, record.offset) for log in logs for record in log.records}
    seen = first_occurrences(world)
    return {
        key: _Profile(
            its[-1].partition, its, (its[-1].partition, its[-1].offset) in in_source, seen.get(key, [])
        )
        for key, its in events.items()
    }


def _event(record: Record) -> Event:
    return Event(record.key or b"", record.value, record.headers)


def _accepted(world: World, key: bytes, profile: _Profile) -> Accepted:
    rules = Rules(
        begins_again=profile.partition in world.begun_again,
        goes_back=world.following.goes_back,
        is_rejected=world.is_rejected,
    )
    try:
        return accepted(world.following.choices, profile.told, profile.seen, rules)
    except Unaccepted as error:
        raise Violation(f"{key.decode()}: {error}") from error


def _check_destination(world: World, key: bytes, profile: _Profile) -> None:
    """See that the last export says of a profile what its latest event says under the last configuration."""
    choices, latest = world.following.choices, profile.told[-1]
    if not profile.is_in_source or _view(choices[-1], latest, At.ITS_TIME) is None:
        return
    exports = [record.data for record in world.kinesis.stored if record.partition_key.encode() == key]
    last: set[bytes | None] = {exports[-1]} if exports else {None}
    if exports and profile.partition in world.begun_again:
        # What was sent by who has lost the partition may come late, and be a repeat.
        last.add(profile.seen[-1])
    if last & world.excused:
        # It was under way at a crash. The state may know nothing of it, and what it came of be worked on again under another
        # configuration, which has nothing to say then.
        return
    # What is unmapped goes without a word: of what was, once, the destination may know nothing.
    always = set.intersection(*[set(choice.segments) for choice in choices])
    found = [_exported(choices, data) for data in last]
    views = [_view(choices[-1], latest, at) for at in At]
    if not any(view and _agree(each, view, always) for view in views for each in found):
        raise Violation(f"{key.decode()}: the destination has {found}, it is {views}")


def _agree(found: _View, wanted: _View, segments: set[str]) -> bool:
    if found.members & segments != wanted.members & segments:
        return False
    return not wanted.members or found[1:] == wanted[1:]


class _View(NamedTuple):
    """What the destination may see of a profile."""

    members: set[str]
    attributes: dict[str, Any]
    identities: set[tuple[str, str]]


def _view(choice: Choice, event: Event, at: At) -> _View | None:
    """By the naive model; None where the event is invalid."""
    return _viewed(choice._replace(name=None), event, at)


@functools.lru_cache(maxsize=100_000)
def _viewed(choice: Choice, event: Event, at: At) -> _View | None:
    chosen = configuration(choice)
    model = NaiveModel(chosen.destination, chosen.governance)
    if model.apply(*event, at).reason is not None:
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


def _check_invalid(world: World, letters: set[tuple[int, int]]) -> None:
    """See that what is invalid under all configurations is dead-lettered, and nothing that is valid under all."""
    for event in world.events:
        place = event.partition, event.offset
        answers = [_view(choice, _event(event), At.ITS_TIME) is None for choice in world.following.choices]
        if (all(answers) and place not in letters) or (place in letters and not any(answers)):
            raise Violation(f"event {place} has a dead letter: {place in letters}; is invalid: {answers}")


def _check_rejected(
    world: World,
    profiles: dict[bytes, _Profile],
    found: dict[bytes, Accepted],
    letters: set[tuple[int, int]],
) -> None:
    """See that what Kinesis rejects is dead-lettered, of an event that it can have come of, and nothing else is."""
    may = set[tuple[int, int]]()
    for key, profile in profiles.items():
        for data, places in found[key].rejected.items():
            events = {(profile.partition, profile.events[place].offset) for place in places}
            may |= events
            # What was lost and is done again may have another export, or none.
            is_due = data in world.refused and profile.partition not in world.begun_again
            if is_due and not events & letters:
                raise Violation(f"{key.decode()}: no dead letter of what was rejected: {data.decode()[:200]}")
    if letters - may:
        raise Violation(f"dead letters of what was never rejected: {sorted(letters - may)}")
