"""The way back up of a partition's state: into the changelog, and from there into the local store.

Appends are acknowledged at offsets that follow each other. A gap is a sign of an intruder: a member that has lost
the partition and does not know it, or an append of a former owner that landed late. What it wrote would win over
older records when the changelog is compacted, so this owner's state of those profiles is appended again.
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec
import structlog

from processor.backfill.note import decode_note, encode_note
from processor.errors import KafkaError, StateRefused
from processor.kafka.changelog import BACKFILL_KEY, CONSUMED_KEY, OWN_KEYS, RESTORED_BY
from processor.kafka.changelog_batches import Deletion
from processor.profile.state_record import numbered, record_origin
from processor.waiting.retry import Delays, retried

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from processor.errors import ProcessorError
    from processor.state.overlay import Overlay
    from processor.telemetry.status import Status
    from processor.worker.state_changelog import StateChangelog

log = structlog.get_logger(__name__)

CONDITION: Final = "changelog"

_DELAYS: Final = Delays(1.0, 1.0)
_PURGED_AT_ONCE: Final = 500
_NOTED_EVERY_S: Final = 10.0
"""How often it is noted how far the source is consumed where no event changes any state."""

_Result = TypeVar("_Result")


class Checkpoint:
    """Keeps the acknowledged state changes of one partition, one append at a time."""

    def __init__(self, partition: int, changelog: StateChangelog, state: Overlay, status: Status) -> None:
        self._partition = partition
        self._changelog = changelog
        self._state = state
        self._status = status
        self._noted_s = -math.inf
        self._one_at_a_time = asyncio.Lock()

    async def keep(self, changes: Mapping[bytes, bytes], consumed: int) -> None:
        """Append changes whose exports Kinesis has to the changelog, then put them into the store.

        All of the source before offset `consumed` is acknowledged thereby, which is noted with them.

        Raises:
            StateError: the store cannot be written.
            StateRefused: the changelog is not the one that it was.

        """
        began_s = time.perf_counter()
        store = self._state.store
        async with self._one_at_a_time:
            # Offsets that were set back by hand take nothing from what was seen once.
            consumed = max(consumed, store.consumed or 0)
            # Behind them, in the same append: a note costs no call of its own.
            entries = {**changes, CONSUMED_KEY: str(consumed).encode()}
            position = await self._appended(entries, store.position)
            await self._state.acknowledge(changes, position)
            store.note(consumed=consumed)
        self._noted_s = asyncio.get_running_loop().time()
        self._status.kept(time.perf_counter() - began_s)

    async def note(self, backfill: bytes) -> None:
        """Append the partition's note of its backfills, then put it into the store.

        Raises:
            StateError, StateRefused: see `keep`.

        """
        store = self._state.store
        async with self._one_at_a_time:
            position = await self._appended({BACKFILL_KEY: backfill}, store.position)
            store.note(backfill=backfill)
            await store.apply({}, position)

    async def passed(self, consumed: int) -> None:
        """Note, every 10 s, that all of the source before offset `consumed` is acknowledged and changed no state.

        Raises:
            StateError: see `keep`.

        """
        if asyncio.get_running_loop().time() - self._noted_s > _NOTED_EVERY_S:
            await self.keep({}, consumed)

    async def flush(self, consumed: int | None = None) -> None:
        """Note that all of the source before offset `consumed` is acknowledged, and bring the store to disk.

        For when nothing comes: else both would wait for the next changes.

        Raises:
            StateError: see `keep`.

        """
        store = self._state.store
        if consumed is not None and consumed > (store.consumed or 0):
            await self.keep({}, consumed)
        await store.flush()

    async def reassert(self, profiles: Collection[bytes], position: int) -> None:
        """Append the state of `profiles` again, of which a restore up to `position` found older records behind it; the backfills' note is one of them.

        Raises:
            StateError: the store cannot be read or written.

        """
        log.warning("an intruder appended to the changelog", partition=self._partition, records=len(profiles))
        self._status.intruded(len(profiles))
        async with self._one_at_a_time:
            own = await self._own_state(profiles, None)
            reached = await self._appended(own.entries, position)
            await self._state.store.apply(own.renumbered, reached)

    async def purge_departed(self, committed_offset: int) -> bool:
        """Delete some profiles that departed before `committed_offset`: no replay comes back to them.

        Returns whether there were any; there may be more then.

        Raises:
            StateError: the store cannot be read or written.

        """
        store = self._state.store
        async with self._one_at_a_time:
            found = await store.departed_before(committed_offset, _PURGED_AT_ONCE)
            departed = [each for each in found if not self._state.holds(each.profile)]
            if departed:
                # Else they would seem to have come late, where they departed under the configuration before.
                since = 0 if store.backfill is None else decode_note(store.backfill).since
                deletions = {
                    each.profile: Deletion(each.offset, max(each.backfill, since)) for each in departed
                }
                position = await self._appended(deletions, store.position)
                await store.purge(departed, position)
            return bool(departed)

    async def _appended(self, entries: Mapping[bytes, bytes | Deletion], position: int) -> int:
        """The changelog offset after `entries`, and after what a gap between `position` and them made necessary."""
        again, store = entries, self._state.store
        renumbered: dict[bytes, bytes] = {}
        while True:
            foreign = _Foreign(set())
            for span in await self._retried(partial(self._changelog.append, self._partition, again)):
                if span.first < position:
                    raise StateRefused(
                        f"partition {self._partition}: the changelog took an append at offset {span.first}, though all before "
                        f"{position} was there: it was cut short, or deleted and made anew. Nothing more is appended. Delete the "
                        f"topic, and have {RESTORED_BY}"
                    )
                if span.first != position:
                    foreign = foreign.and_(
                        await self._retried(partial(self._intruder_entries, position, span.first))
                    )
                position = span.end
            if not foreign.keys:
                if renumbered:
                    # Not up to the new position: the store has no `entries` yet.
                    await store.apply(renumbered, store.position)
                return position
            # Also those that were appended now: between the batches of one append, and where Kafka does not say where a
            # batch is, an intruder's record may stand behind ours. The store has no `entries` yet.
            # A note that is being written is this owner's newest; what stands in a gap may be that very one, appended twice.
            is_behind_a_newer_note = BACKFILL_KEY not in entries and self._outnumber(foreign.note_number)
            own = await self._own_state(foreign.keys - entries.keys(), entries.get(BACKFILL_KEY))
            renumbered |= own.renumbered
            again = own.entries | {
                key: entries[key] for key in entries if is_behind_a_newer_note or key in foreign.keys
            }

    async def _intruder_entries(self, start: int, end: int) -> _Foreign:
        log.warning("an intruder appended to the changelog", partition=self._partition, records=end - start)
        self._status.intruded(end - start)
        found, note_number = set[bytes](), -1
        async with aclosing(self._changelog.read(self._partition, start, end)) as batches:
            async for records in batches:
                keys = [record.key for record in records if record.key]
                found.update(key for key in keys if key == BACKFILL_KEY or not key.startswith(OWN_KEYS))
                for record in records:
                    if record.key == BACKFILL_KEY and record.value:
                        note_number = max(note_number, decode_note(record.value).number)
        return _Foreign(found, note_number)

    def _outnumber(self, note_number: int) -> bool:
        """Have this owner's note be newer than one of that number, which an intruder wrote; whether that one was newer.

        The intruder followed files of which this owner, who follows those that the state is complete for, wrote no note. State records
        bear what they did, and so a restore passes over those that stand behind the intruder's note and before this owner's.
        """
        store = self._state.store
        note = None if store.backfill is None else decode_note(store.backfill)
        if note is None or note.number >= note_number:
            return False
        store.note(backfill=encode_note(msgspec.structs.replace(note, number=note_number + 1)))
        return True

    async def _retried(self, action: Callable[[], Awaitable[_Result]]) -> _Result:
        result = await retried(action, errors=(KafkaError,), delays=_DELAYS, on_failure=self._failed)
        self._status.healthy(CONDITION, self._partition)
        return result

    def _failed(self, error: ProcessorError, _: float) -> None:
        self._status.unhealthy(CONDITION, str(error), self._partition)
        log.warning("the changelog failed, trying again", partition=self._partition, reason=str(error))

    async def _own_state(self, keys: Collection[bytes], next_note: bytes | Deletion | None) -> _Own:
        """This owner's records of profiles, and its note of backfills where its key is among `keys`; `next_note` is one that the store has not yet.

        They bear the number at least with which the configuration of now began, and so are newer than what an intruder made under
        another one.
        """
        store, holds = self._state.store, self._state.holds
        data = next_note if isinstance(next_note, bytes) else store.backfill
        note = None if data is None else decode_note(data)
        since, number = (0, 0) if note is None else (note.since, note.number)
        own = _Own({}, {})
        for profile, record in (await store.get_many([key for key in keys if key != BACKFILL_KEY])).items():
            if record is None:
                # A change of it that is under way must be newer than this; without one, this is behind all backfills so far.
                own.entries[profile] = Deletion(store.highest_offset, since if holds(profile) else number)
            elif record_origin(record)[1] >= since:
                own.entries[profile] = record
            else:
                own.entries[profile] = own.renumbered[profile] = numbered(record, since)
        if store.backfill is not None and BACKFILL_KEY in keys:
            # The first: what stands behind an intruder's note is read by what that says.
            return own._replace(entries={BACKFILL_KEY: store.backfill, **own.entries})
        return own


class _Foreign(NamedTuple):
    """The keys of an intruder's records, of profiles and of the backfills' note, and the highest number of such a note; -1 where there is none."""

    keys: set[bytes]
    note_number: int = -1

    def and_(self, other: _Foreign) -> _Foreign:
        """Both together."""
        return _Foreign(self.keys | other.keys, max(self.note_number, other.note_number))


class _Own(NamedTuple):
    """What an owner appends again, and the records of it that its store has with an older number."""

    entries: dict[bytes, bytes | Deletion]
    renumbered: dict[bytes, bytes]
