"""The whole of what happens to one event: (event, state) -> (export or nothing, next state).

No I/O, no clock. The steps stand in the order of the semantics: event, view, diff, export.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import xxhash
from msgspec import UNSET

from processor.errors import InvalidEvent, Reason
from processor.governance.fingerprint import fingerprint
from processor.governance.plan import Item, Removal, segment_name
from processor.native import native
from processor.profile.canonical import canonical
from processor.profile.compiled_core import compiled_core
from processor.profile.consent import Consent
from processor.profile.event import EventDecoder
from processor.profile.export import SegmentText, Shape, membership_text
from processor.profile.identity import (
    NO_IDENTITIES,
    check_identities,
    first_id,
    identity_set,
    parse_identities,
    without_namespaces,
)
from processor.profile.state_record import (
    NOTHING_EXPORTED,
    decode_record,
    encode_departed,
    encode_record,
    have_same_paths,
    path_digest,
    segment_key,
    split_attributes,
)
from processor.profile.structs import Export, StateRecord
from processor.profile.times import is_date_time, is_later_than
from processor.profile.transition import SKIPPED, Transition
from processor.profile.verdicts import Verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from msgspec import UnsetType

    from processor.governance.destination import Destination, Segment
    from processor.governance.plan import Plan, Verdict
    from processor.profile.event import Leaf
    from processor.profile.structs import Entry
    from processor.profile.verdicts import Headers

KEY_CHARACTERS_MAX: Final = 256
"""Of a profile id, and of a Kinesis partition key."""

_UNREADABLE: Final = "a number beyond a double, half a surrogate pair, or more levels than can be read"
_LINE_FEED: Final = 0x0A
_CARRIAGE_RETURN: Final = 0x0D
_NULL: Final = b"null"


class _View:
    """What of the profile this destination may see now, less the memberships.

    `mask` has a bit for each attribute that is present, `texts` their values, `digests` their digests.
    """

    __slots__ = ("digests", "identities", "mask", "texts")

    def __init__(self, mask: int, texts: list[bytes], digests: bytes, identities: bytes) -> None:
        self.mask = mask
        self.texts = texts
        self.digests = digests
        self.identities = identities


class _Diff:
    """Memberships of now by segment key, the export's entries by namespace, and whether a status changed."""

    __slots__ = ("entries", "memberships", "moved")

    def __init__(self, memberships: dict[str, str], entries: dict[str, list[str]], *, moved: bool) -> None:
        self.memberships = memberships
        self.entries = entries
        self.moved = moved


class Core:
    """Follows one compiled plan; remembers nothing of any profile.

    What the compiled core is sure of is its own, where this build has one (`processor/native.py`): see
    `processor.profile.compiled_core`. All else, and all without it (`library=None`), is decided here.
    """

    def __init__(self, plan: Plan, library: ModuleType | None = native) -> None:
        destination = plan.destination
        self._plan = plan
        self._consent = Consent(plan.consent_policies)
        self._decoder = EventDecoder((*destination.attributes, *self._consent.paths), destination.segments)
        self._path_digests = [path_digest(path) for path in destination.attributes]
        self._segments = [
            SegmentText(segment_key(segment), segment, _segment_members(segment, destination))
            for segment in destination.segments
        ]
        self._without_consent: tuple[Removal | None, ...] = tuple(
            [
                Removal(Item("segment", segment_name(segment), frozenset()), "consent", "any")
                for segment in destination.segments
            ]
        )
        self._no_entries: tuple[Entry | UnsetType, ...] = (UNSET,) * len(self._segments)
        self._shape = Shape(destination.attributes)
        self._partition_namespace = destination.partition_key_namespace
        self._verdicts = Verdicts(plan)
        self._fingerprint = ""
        self.compiled = (
            None
            if library is None
            else compiled_core(library, plan, self._segments, self._without_consent, self._verdicts)
        )
        """What takes whole batches, and hands on what it is not sure of."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the plan: see `processor.governance.fingerprint`."""
        if not self._fingerprint:
            self._fingerprint = fingerprint(self._plan)
        return self._fingerprint

    def apply(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        *,
        timestamp_ms: int,
        offset: int,
        state: bytes | None,
        backfill: int = 0,
    ) -> Transition:
        """Apply one event to its profile's state record (None where there is none).

        An event at or below the state's offset is skipped. The next record bears `backfill`, the number of the partition's note.

        Raises:
            InvalidEvent: the event breaks the event format; nothing changes.
            InvalidStateRecord: `state` comes from a release that this one does not understand.

        """
        return self._applied(
            key,
            value,
            headers,
            timestamp_ms=timestamp_ms,
            offset=offset,
            state=state,
            backfill=backfill,
            is_again=False,
        )

    def apply_again(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        *,
        timestamp_ms: int,
        offset: int,
        state: bytes | None,
        backfill: int = 0,
    ) -> Transition:
        """Apply a profile's latest event once more, as backfill number `backfill` does: `state` may reflect it already.

        What that state says was exported under another plan; what follows is what this plan has changed since.
        `timestamp_ms` is when the backfill began, for all profiles alike, and `offset` the one that the next state
        record bears. Where nothing has changed there is neither an export nor a state record.

        Raises:
            InvalidEvent: the event breaks the event format; nothing changes.
            InvalidStateRecord: `state` comes from a release that this one does not understand.

        """
        return self._applied(
            key,
            value,
            headers,
            timestamp_ms=timestamp_ms,
            offset=offset,
            state=state,
            backfill=backfill,
            is_again=True,
        )

    def _applied(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        *,
        timestamp_ms: int,
        offset: int,
        state: bytes | None,
        backfill: int,
        is_again: bool,
    ) -> Transition:
        if self.compiled is not None:
            taken = self.compiled.apply(
                key,
                value,
                headers,
                timestamp_ms=timestamp_ms,
                offset=offset,
                state=state,
                backfill=backfill,
                is_again=is_again,
            )
            if taken is not None:
                return taken
        previous = NOTHING_EXPORTED if state is None else decode_record(state)
        if not is_again and offset <= previous.offset:
            return SKIPPED
        profile_id = _profile_id(key)
        removed: list[Removal] = []
        if value is None:
            verdict = self._verdicts.of(headers)
            identities = _permitted(previous.identities, verdict, removed)
            view = _View(0, [], b"", identities)
            diff = self._diff(self._no_entries, verdict.segments, previous, timestamp_ms, removed)
        else:
            view, diff = self._seen(value, headers, timestamp_ms, previous, removed)
        return self._transition(
            key or b"", profile_id, previous, view, diff, offset=offset, backfill=backfill, removed=removed
        )

    def _seen(
        self, value: bytes, headers: Headers, timestamp_ms: int, previous: StateRecord, removed: list[Removal]
    ) -> tuple[_View, _Diff]:
        """View and diff of a profile. Its faults are met in the order of their reasons: json first, labels last."""
        event = self._decoder.decode(value)
        if _LINE_FEED in value or _CARRIAGE_RETURN in value:
            # What was decoded is JSON, so its line breaks are white space; an export is one line.
            event = self._decoder.decode(value.replace(b"\n", b" ").replace(b"\r", b" "))
        try:
            verdict, fault = self._verdicts.of(headers), None
        except InvalidEvent as error:
            verdict, fault = self._plan.standing, error
        view = self._attributes(event.leaves, verdict, removed)
        identities = NO_IDENTITIES if event.identities is UNSET else bytes(event.identities)
        if identities == _NULL:
            identities = NO_IDENTITIES
        # The identities of a member rarely change, and what equals the state's was checked when it came.
        is_known = identities == previous.identities
        tree = None if is_known else parse_identities(identities)
        if event.fault is not None:
            raise event.fault
        if not self._consent.is_asked or self._consent.given(event.leaves[len(self._path_digests) :]):
            diff = self._diff(event.entries, verdict.segments, previous, timestamp_ms, removed)
        else:
            diff = self._diff(event.entries, self._without_consent, previous, timestamp_ms, removed)
            view = _View(0, [], b"", b"")
        if not is_known:
            check_identities(tree)
        if fault is not None:
            raise fault
        view.identities = _permitted(identities, verdict, removed)
        return view, diff

    def _attributes(self, leaves: tuple[Leaf, ...], verdict: Verdict, removed: list[Removal]) -> _View:
        unset, digest, removals = UNSET, xxhash.xxh3_64_digest, verdict.attributes
        mask, texts, digests = 0, list[bytes](), list[bytes]()
        for index, path in enumerate(self._path_digests):
            leaf = leaves[index]
            if leaf is unset:
                continue
            text = bytes(leaf)
            try:
                value = canonical(text)
            except ValueError as error:
                detail = (
                    f"the attribute {self._plan.destination.attributes[index]} cannot be read: {_UNREADABLE}"
                )
                raise InvalidEvent(Reason.BAD_JSON, detail) from error
            removal = removals[index]
            if removal is not None:
                removed.append(removal)
                continue
            mask |= 1 << index
            texts.append(text)
            digests.append(path)
            digests.append(digest(value))
        return _View(mask, texts, b"".join(digests), b"")

    def _diff(
        self,
        entries: tuple[Entry | UnsetType, ...],
        hidden: tuple[Removal | None, ...],
        previous: StateRecord,
        timestamp_ms: int,
        removed: list[Removal],
    ) -> _Diff:
        unset, before = UNSET, previous.memberships
        now: dict[str, str] = {}
        texts: dict[str, list[str]] = {}
        moved = False
        for index, segment in enumerate(self._segments):
            was, entry, removal = before.get(segment.key), entries[index], hidden[index]
            if entry is unset:
                time, is_member = was or "", False
            else:
                time = entry.lastQualificationTime
                is_member = _is_member(entry, time, was, timestamp_ms)
                if is_member and removal is not None:
                    removed.append(removal)
                    is_member = False
            if is_member:
                now[segment.key] = time
                status = segment.realized if was is None else segment.existing
            elif was is None:
                continue
            else:
                status = segment.exited
            moved = moved or is_member == (was is None)
            texts.setdefault(segment.namespace, []).append(f"{segment.prefix}{time}{status}")
        return _Diff(now, texts, moved=moved)

    def _transition(
        self,
        key: bytes,
        profile_id: str,
        previous: StateRecord,
        view: _View,
        diff: _Diff,
        *,
        offset: int,
        backfill: int,
        removed: Sequence[Removal],
    ) -> Transition:
        if diff.moved or (diff.memberships and self._is_changed(view, previous)):
            data = self._shape.filled(view.mask, view.texts, membership_text(diff.entries), view.identities)
            export = Export(key, self._partition_key(profile_id, view.identities), data)
            if diff.memberships:
                record = StateRecord(offset, view.digests, view.identities, diff.memberships, backfill)
                return Transition(export, encode_record(record), removed)
            return Transition(export, encode_departed(offset, backfill), removed)
        if diff.memberships == previous.memberships:
            return Transition(None, None, removed)
        if not diff.memberships:
            # Only segments that are not mapped any more: they go without a word.
            return Transition(None, encode_departed(offset, backfill), removed)
        record = StateRecord(offset, previous.attributes, previous.identities, diff.memberships, backfill)
        return Transition(None, encode_record(record), removed)

    def _is_changed(self, view: _View, previous: StateRecord) -> bool:
        if view.identities != previous.identities and identity_set(view.identities) != identity_set(
            previous.identities
        ):
            return True
        if view.digests == previous.attributes:
            return False
        if have_same_paths(view.digests, previous.attributes):
            return True
        before, now = split_attributes(previous.attributes), split_attributes(view.digests)
        # What is not mapped any more is no change; what governance removes now is one.
        return {path: before[path] for path in self._path_digests if path in before} != now

    def _partition_key(self, profile_id: str, identities: bytes) -> str:
        if self._partition_namespace is None:
            return profile_id
        id_ = first_id(identities, self._partition_namespace)
        return profile_id if id_ is None or len(id_) > KEY_CHARACTERS_MAX else id_


def _segment_members(segment: Segment, destination: Destination) -> dict[str, int | str]:
    """The members that an export gives a segment beside its membership, as the destination's file asks for them."""
    times = segment.times
    members: dict[str, int | str | None] = {}
    if destination.include_segment_timestamps:
        members["createdAt"] = times.created_at_ms
        members["updatedAt"] = times.updated_at_ms
        members["mappingCreatedAt"] = times.mapping_created_at_ms
        members["mappingUpdatedAt"] = times.mapping_updated_at_ms
    if destination.include_segment_names:
        members["name"] = segment.name
    return {member: value for member, value in members.items() if value is not None}


def _profile_id(key: bytes | None) -> str:
    if not key:
        raise InvalidEvent(Reason.BAD_KEY, "the key is empty")
    try:
        profile_id = key.decode()
    except UnicodeDecodeError as error:
        raise InvalidEvent(Reason.BAD_KEY, f"the key is not UTF-8 at byte {error.start}") from error
    if len(profile_id) > KEY_CHARACTERS_MAX:
        raise InvalidEvent(
            Reason.BAD_KEY, f"the key has {len(profile_id)} characters, more than {KEY_CHARACTERS_MAX}"
        )
    return profile_id


def _is_member(entry: Entry, time: str, was: str | None, timestamp_ms: int) -> bool:
    until = entry.validUntil
    # A time that the state holds was checked when it came.
    if time != was and not is_date_time(time):
        raise InvalidEvent(Reason.BAD_MEMBERSHIP, "lastQualificationTime is no date-time")
    is_valid = True
    if until is not None:
        try:
            is_valid = is_later_than(until, timestamp_ms)
        except ValueError as error:
            raise InvalidEvent(Reason.BAD_MEMBERSHIP, "validUntil is no date-time") from error
    return is_valid and entry.status != "exited"


def _permitted(identities: bytes, verdict: Verdict, removed: list[Removal]) -> bytes:
    """The identities less what governance removes."""
    if verdict.event is not None:
        removed.append(verdict.event)
        return NO_IDENTITIES
    if not verdict.namespaces:
        return identities
    kept = without_namespaces(identities, verdict.namespaces.keys())
    removed.extend(verdict.namespaces[name] for name in kept.removed)
    return kept.text
