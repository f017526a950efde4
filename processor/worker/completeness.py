"""Which configuration the state of one partition is complete for: the note of it, in the changelog and in the store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import structlog

from processor.backfill.note import BackfillNote, decode_note, encode_note

if TYPE_CHECKING:
    from processor.state.store import Store
    from processor.worker.checkpoint import Checkpoint

log = structlog.get_logger(__name__)


class Completeness:
    """Reads and writes a partition's note. Each of its changes is in the changelog before the method returns.

    All methods that write raise what `Checkpoint.note` raises.
    """

    def __init__(self, partition: int, store: Store, checkpoint: Checkpoint) -> None:
        self._partition = partition
        self._store = store
        self._checkpoint = checkpoint
        self._one_at_a_time = asyncio.Lock()

    @property
    def note(self) -> BackfillNote | None:
        """The note as it is now; None where the state was made by a release that has none, or there is no state yet."""
        return None if self._store.backfill is None else decode_note(self._store.backfill)

    async def work_under(self, fingerprint: str, request: str | None) -> BackfillNote:
        """Note that events are worked on under another configuration from now on, before the first of them is; the note as it is then.

        State without a note is taken to be complete for it; `request` is what was asked for by then, and where
        there is no state either there is nothing to look at.
        """
        async with self._one_at_a_time:
            note = self.note
            if note is None:
                has_state = self._store.highest_offset >= 0
                if has_state:
                    log.info(
                        "the state has no note of its configuration, for an earlier release made it: it is taken to be complete for the files of now",
                        partition=self._partition,
                        fingerprint=fingerprint,
                    )
                return await self._write(
                    BackfillNote(0, fingerprint, True, request=None if has_state else request)
                )
            if note.fingerprint == fingerprint:
                return note
            if note.former == fingerprint:
                log.warning(
                    "the configuration is the one before the last again: where nobody changed the files back, two deployments of "
                    "this group have different files, and every move of a partition between them has its profiles looked at anew",
                    partition=self._partition,
                    fingerprint=fingerprint,
                    other_fingerprint=note.fingerprint,
                )
            return await self._write(
                BackfillNote(
                    note.number + 1,
                    fingerprint,
                    False,
                    former=note.fingerprint,
                    request=note.request,
                    # What was under way was wanted, and is as it was asked for: it begins anew, under what is followed now.
                    boundary=note.boundary,
                    at_ms=note.at_ms,
                    partitions=note.partitions,
                    since=note.number + 1,
                )
            )

    async def begin(
        self, due: BackfillNote, boundary: int, at_ms: int, request: str | None
    ) -> BackfillNote | None:
        """Note that the backfill that `due` asks for begins; None where another note has taken that one's place."""
        async with self._one_at_a_time:
            if self.note != due:
                return None
            begun = msgspec.structs.replace(
                due,
                number=due.number + 1,
                is_complete=False,
                request=request or due.request,
                boundary=boundary,
                at_ms=at_ms,
            )
            return await self._write(begun)

    async def complete(self, begun: BackfillNote) -> bool:
        """Note that the backfill that `begun` notes is at its end; False where another note has taken its place."""
        async with self._one_at_a_time:
            if self.note != begun:
                return False
            await self._write(msgspec.structs.replace(begun, is_complete=True, boundary=None, at_ms=None))
            return True

    async def _write(self, note: BackfillNote) -> BackfillNote:
        await self._checkpoint.note(encode_note(note))
        return note
