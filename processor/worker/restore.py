"""Bringing a partition's store up to its changelog: for each profile its newest record (`record_order`).

Not the last one: a member that has lost the partition may append late. Records come in the order of their
source offsets but for such, so only what is lower than the highest so far needs a look at what is there.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from processor.backfill.note import decode_note
from processor.backfill.note import newest as newest_note
from processor.errors import StateUnavailable
from processor.kafka.changelog import BACKFILL_KEY, CONSUMED_KEY, OWN_KEYS, STREAM_KEY
from processor.kafka.changelog_batches import BACKFILL_HEADER, OFFSET_HEADER
from processor.profile.state_record import encode_departed, record_offset, record_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import ConsumerRecord

    from processor.state.store import Store
    from processor.worker.state_changelog import StateChangelog


async def restore(
    changelog: StateChangelog, partition: int, store: Store, end: int, on_progress: Callable[[int], None]
) -> set[bytes]:
    """Apply what `store` has not seen of the changelog before offset `end`.

    `on_progress` is called with the offset that is reached, again and again. Broken off at any point, it may be begun again.

    Returns the profiles whose last record is not their newest, and the key of the backfills' note where that is not: compaction
    would let the older one win, so they must be appended again. Until that is done the store's position stays before the first of them.

    Raises:
        KafkaRefused, KafkaUnavailable: the changelog cannot be read.
        InvalidStateRecord: another release wrote it.
        StateUnavailable: the store's disk takes nothing now.
        StateError: the store cannot be written.

    """
    outdated: dict[bytes, int] = {}
    # Of what is in the store already only its note knows, which stands behind the records that compaction has left.
    number = 0 if store.position == 0 else _number(store)
    async with aclosing(changelog.read(partition, store.position, end)) as batches:
        async for records in batches:
            number = await _apply(store, records, outdated, number)
            if store.trouble is not None:
                raise StateUnavailable(store.trouble)  # else memory alone would take all of it
            on_progress(records[-1].offset + 1)
    if store.position < end and not outdated:
        await store.apply({}, end)
    return set(outdated)


def state_of(record: ConsumerRecord[bytes, bytes]) -> bytes:
    """Return the state record that a profile's record of the changelog stands for, a deletion as well."""
    if record.value is not None:
        return bytes(record.value)
    headers = dict(record.headers)
    return encode_departed(int(headers.get(OFFSET_HEADER, -1)), int(headers.get(BACKFILL_HEADER, 0)))


class _Batch(NamedTuple):
    """What a batch of the changelog says."""

    newest: dict[bytes, bytes]
    """Of each profile the newest record in the batch, in the order of source offsets but for the doubtful ones."""
    doubtful: dict[bytes, int]
    """Profiles whose newest record may be older than the store's, and the changelog offset of that record."""
    own: dict[bytes, list[ConsumerRecord[bytes, bytes]]]
    """What the changelog notes for itself, by key."""
    number: int | None
    """The highest number that any record bears, in the store as well; None where that is not known."""


class _Seen(NamedTuple):
    """Of what a store has: its note, the highest number that records bear (None: not known), and the highest source offset."""

    note: bytes | None
    number: int | None
    offset: int


async def _apply(
    store: Store,
    records: Sequence[ConsumerRecord[bytes, bytes]],
    outdated: dict[bytes, int],
    number: int | None,
) -> int | None:
    """Apply a batch; the highest number that records in the store bear, which was `number` before, None where it is not known.

    `outdated` are keys whose last record is not their newest, and its changelog offset.
    """
    seen = _Seen(store.backfill, number, store.highest_offset)
    batch = _read(records, seen, outdated)
    changes = await _newer_than_stored(store, batch, outdated)
    streams, consumed, notes = [_values(batch.own, key) for key in (STREAM_KEY, CONSUMED_KEY, BACKFILL_KEY)]
    # Notes before the position that is behind them; a zombie's may come late.
    if consumed:
        store.note(consumed=max(store.consumed or 0, *map(int, consumed)))
    if notes:
        note = newest_note([*([] if store.backfill is None else [store.backfill]), *notes])
        store.note(backfill=note)
        outdated.pop(BACKFILL_KEY, None)
        if note != notes[-1]:
            outdated[BACKFILL_KEY] = batch.own[BACKFILL_KEY][-1].offset
    stream = streams[-1].decode() if streams else None
    await store.apply(changes, min(outdated.values(), default=records[-1].offset + 1), stream)
    return batch.number if number is not None else _number(store)


def _since(note: bytes | None) -> int:
    """The number with which the configuration began that a note names; 0 without one."""
    return 0 if note is None else decode_note(note).since


def _number(store: Store) -> int | None:
    return None if store.backfill is None else decode_note(store.backfill).number


def _values(own: dict[bytes, list[ConsumerRecord[bytes, bytes]]], key: bytes) -> list[bytes]:
    return [record.value or b"" for record in own.get(key, ())]


def _read(records: Sequence[ConsumerRecord[bytes, bytes]], seen: _Seen, outdated: dict[bytes, int]) -> _Batch:
    """Find the newest record of each profile; `seen` is of what the store has.

    What stands behind a note and was made under the configuration before it came late, from a member that had lost the partition.
    """
    note, highest_number, highest = seen
    since = _since(note)
    newest: dict[bytes, bytes] = {}
    orders: dict[bytes, tuple[int, int]] = {}
    doubtful: dict[bytes, int] = {}
    own: dict[bytes, list[ConsumerRecord[bytes, bytes]]] = {}
    for record in records:
        key = record.key or b""
        if key.startswith(OWN_KEYS):
            own.setdefault(key, []).append(record)
            if key == BACKFILL_KEY:
                note = newest_note([*([] if note is None else [note]), record.value or b""])
                since = _since(note)
            continue
        state = state_of(record)
        order = record_order(state)
        if order[0] < since or (key in orders and order < orders[key]):
            outdated[key] = record.offset
            continue
        number, offset = order
        if highest_number is None or offset < highest or number < highest_number:
            doubtful[key] = record.offset
        else:
            highest = offset
            doubtful.pop(key, None)
        if highest_number is not None and number > highest_number:
            highest_number = number
        newest.pop(key, None)
        newest[key], orders[key] = state, order
        outdated.pop(key, None)
    return _Batch(newest, doubtful, own, highest_number)


async def _newer_than_stored(store: Store, batch: _Batch, outdated: dict[bytes, int]) -> dict[bytes, bytes]:
    """The records that are to be put, in the order of their source offsets."""
    if not batch.doubtful:
        return batch.newest
    newest = dict(batch.newest)
    for profile, stored in (await store.get_many(list(batch.doubtful))).items():
        if stored is not None and record_order(stored) > record_order(newest[profile]):
            del newest[profile]
            outdated[profile] = batch.doubtful[profile]
    return dict(sorted(newest.items(), key=_source_offset))


def _source_offset(change: tuple[bytes, bytes]) -> int:
    return record_offset(change[1])
