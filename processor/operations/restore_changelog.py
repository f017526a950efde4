"""Writing a lost changelog anew from the local stores, which are a cache of it: `processor state restore-changelog`.

A store is a prefix of the changelog that is gone. Where it is all that a committed offset relies on, the offset stays.
Where it is less, for a process was killed before it wrote to its disk, or the store is an old one, the offset is set back to
where the store is complete: events from there on are taken again, and exported again where the destination has them.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from processor.errors import StateRefused
from processor.kafka.changelog import BACKFILL_KEY, CONSUMED_KEY, STREAM_KEY, Changelog
from processor.kafka.commit_metadata import Mark
from processor.kafka.offline_group import Kept, offline_group
from processor.kafka.topics import open_topics
from processor.state.place import place_of
from processor.state.store_contents import opened
from processor.waiting.fence import Fence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from processor.kafka.commit_metadata import Committed
    from processor.kafka.offline_group import OfflineGroup
    from processor.kafka.offsets import Bounds
    from processor.settings import Settings
    from processor.state.store_contents import Contents

_RECORDS_AT_ONCE: Final = 2_000
_ELSE: Final = "Else start a new group, which exports every profile anew"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done with a partition: profiles written, the changelog's end, and the committed offset before and after."""

    partition: int
    profiles: int
    changelog_end: int
    committed_before: int
    committed: int


async def restore_changelog(
    settings: Settings, only: Collection[int], on_progress: Callable[[int, int], None]
) -> list[Restored]:
    """Write the changelog from this machine's stores, of all partitions or of `only` these; it is created where it is absent.

    `on_progress` is called with a partition, and how many profiles of it are written.

    Raises:
        StateRefused: the group has members, the changelog has records, or a store is missing or of no use; nothing was
            written then.
        KafkaRefused, KafkaUnavailable: Kafka failed; what is written so far does no harm, but the topic must be deleted and
            this be begun again.

    """
    kafka = settings.kafka
    async with offline_group(kafka) as group, open_topics(kafka) as topics:
        partitions = list(range((await topics.shape(kafka.topic)).partitions))
        unknown = sorted(set(only) - set(partitions))
        if unknown:
            raise StateRefused(f"{kafka.topic} has no partition {', '.join(map(str, unknown))}")
        wanted = [partition for partition in partitions if not only or partition in only]
        committed = await group.committed(wanted)
        if not committed:
            raise StateRefused(
                f"group {kafka.group} has committed no offset of {kafka.topic}: there is nothing that a changelog must hold"
            )
        cluster = await topics.cluster_id()
        with ExitStack() as stores:
            found = await asyncio.to_thread(_stores, settings, list(committed), cluster, stores)
            goes_on_at = _offsets(committed, found, await group.bounds(list(committed)))
            await topics.create_changelog(settings.changelog_topic, kafka.topic, settings.state)
            changelog = Changelog(kafka, settings.changelog_topic, Fence(lambda: 0.0, 1.0))
            await changelog.start()
            try:
                await _check_empty(changelog, list(committed))
                repair = _Repair(changelog, group, on_progress)
                return [
                    await repair.write(partition, found.get(partition), each, goes_on_at[partition])
                    for partition, each in sorted(committed.items())
                ]
            finally:
                await changelog.stop()


def _stores(
    settings: Settings, partitions: Collection[int], cluster: str, stack: ExitStack
) -> dict[int, Contents]:
    home = place_of(settings.state, settings.kafka.group, settings.kafka.topic)
    found = {
        partition: stack.enter_context(opened(path))
        for partition, path in ((each, home / str(each)) for each in partitions)
        if path.is_dir()
    }
    return {
        partition: contents
        for partition, contents in found.items()
        if contents.position and contents.cluster == cluster
    }


def _offsets(
    committed: Mapping[int, Committed], stores: Mapping[int, Contents], source: Mapping[int, Bounds]
) -> dict[int, int]:
    """Where each partition goes on.

    Raises:
        StateRefused: with what is missing, of all partitions.

    """
    missing = [
        partition for partition, each in committed.items() if partition not in stores and not each.is_start
    ]
    if missing:
        raise StateRefused(
            f"this machine has no local store of partitions {', '.join(map(str, missing))}. Where other machines have "
            "them, run this on each with --partition for those that it has, or copy their directories here. "
            + _ELSE
        )
    offsets, lost = {}, []
    for partition, each in committed.items():
        store = stores.get(partition)
        is_whole = store is None or _is_whole(each, store)
        offsets[partition] = each.offset if store is None or is_whole else min(each.offset, store.consumed)
        if offsets[partition] < source[partition].begin and not is_whole:
            lost.append(
                f"partition {partition}: the store is complete up to offset {offsets[partition]}, the committed offset is "
                f"{each.offset}, and the source holds nothing before {source[partition].begin} any more"
            )
    if lost:
        raise StateRefused("; ".join(lost) + f": what lies between cannot be taken again. {_ELSE}")
    return offsets


def _is_whole(committed: Committed, store: Contents) -> bool:
    """Whether the store has all that the committed offset relies on."""
    mark = committed.mark
    if mark is None:
        return committed.offset <= store.consumed
    is_of_it = mark.changelog is None or store.changelog in {None, mark.changelog.topic}
    return is_of_it and store.position >= mark.position


async def _check_empty(changelog: Changelog, partitions: Collection[int]) -> None:
    ends = {partition: (await changelog.bounds(partition)).end for partition in partitions}
    full = [f"{partition} ends at {end}" for partition, end in ends.items() if end]
    if full:
        raise StateRefused(
            f"changelog {changelog.topic} has records already (partition {', '.join(full)}), and what is written behind them "
            f"would count as newer. Where they are no state of this group, delete it: kafka-topics.sh --delete --topic "
            f"{changelog.topic}; then run this again, which creates it as it should be"
        )


class _Repair:
    """Writes one partition after the other."""

    def __init__(
        self, changelog: Changelog, group: OfflineGroup, on_progress: Callable[[int, int], None]
    ) -> None:
        self._changelog = changelog
        self._group = group
        self._on_progress = on_progress

    async def write(
        self, partition: int, store: Contents | None, committed: Committed, goes_on_at: int
    ) -> Restored:
        append = partial(self._changelog.append, partition)
        own = {CONSUMED_KEY: str(goes_on_at if store is None else store.consumed).encode()}
        if store is not None and store.stream is not None:
            own[STREAM_KEY] = store.stream.encode()
        if store is not None and store.backfill is not None:
            own[BACKFILL_KEY] = store.backfill
        spans = await append(own)
        profiles = 0
        records = iter(()) if store is None else store.records()
        while chunk := await asyncio.to_thread(_some, records):
            spans = await append(chunk)
            profiles += len(chunk)
            self._on_progress(partition, profiles)
        end, identity = spans[-1].end, self._changelog.identity
        # From here on a start takes it for the group's changelog, and the local stores for a cache of it, or of none.
        await self._group.commit({partition: Kept(goes_on_at, str(Mark(identity, end)))})
        if store is not None:
            await asyncio.to_thread(store.now_of, identity and identity.topic, end)
        return Restored(partition, profiles, end, committed.offset, goes_on_at)


def _some(records: Iterator[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return dict(islice(records, _RECORDS_AT_ONCE))
