"""The store of one partition's state records, as the pipeline sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Departed(NamedTuple):
    """A profile that departed, that is, left its last segment; the source offset at which it did, and the backfill that took it, 0 if none."""

    profile: bytes
    offset: int
    backfill: int = 0


class Store(Protocol):
    """State records of one partition by profile; holds only what the changelog has.

    A record is opaque here but for `state_record.record_offset` and `state_record.has_departed`.

    Raises from any method:
        StateError: it cannot be read or written.
    """

    @property
    def position(self) -> int:
        """The changelog offset after the last record that it holds."""

    @property
    def highest_offset(self) -> int:
        """The highest source offset of all records that it ever held; -1 where there was none."""

    @property
    def stream(self) -> str | None:
        """The stream that this state was exported to; None before it is known."""

    @property
    def trouble(self) -> str | None:
        """Why it brings nothing to disk any more, and what to do; None while it does.

        What it is given it still knows, in memory, and what is on disk may still be read. It is to be closed soon, and
        opened anew, which restores from the changelog what the disk lacks.
        """

    @property
    def changelog(self) -> str | None:
        """The identity of the changelog that `position` is an offset of; None before it is known."""

    @property
    def consumed(self) -> int | None:
        """The source offset before which all was acknowledged when the last record was made; None before it is known."""

    @property
    def backfill(self) -> bytes | None:
        """The partition's `BackfillNote`, in bytes; None before there is one."""

    def note(
        self, *, changelog: str | None = None, consumed: int | None = None, backfill: bytes | None = None
    ) -> None:
        """Take what is known anew of `changelog`, `consumed` or `backfill`; the disk has it with the next write."""

    def recall(self, profiles: Iterable[bytes], found: dict[bytes, bytes | None]) -> list[bytes]:
        """Put the records that are in memory into `found`; the profiles, each once, whose records are not."""

    async def get_many(self, profiles: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """The record of each of `profiles`; None where there is none."""

    async def apply(self, changes: Mapping[bytes, bytes], position: int, stream: str | None = None) -> None:
        """Put records, in the order of their source offsets, and note the changelog offset that they reach to.

        `stream` is what they were exported to, where that is new. The disk may have them a little later; what a crash takes is restored.
        """

    async def flush(self) -> None:
        """Bring to disk what waits for it."""

    async def departed_before(self, offset: int, limit: int) -> list[Departed]:
        """At most `limit` profiles that departed at a source offset below `offset` and are not purged yet, oldest first."""

    async def purge(self, departed: Sequence[Departed], position: int) -> None:
        """Note that the changelog has the deletions of `departed`, up to `position`; one that has changed since stays."""

    async def mark(self, profiles: Sequence[bytes]) -> set[bytes]:
        """Mark profiles, and return those that were not marked before. Marks are of this life: the next must clear them first."""

    async def clear_marks(self) -> None:
        """Take all marks away."""

    async def unmarked(self, after: bytes, limit: int) -> tuple[int, bytes | None]:
        """How many of the next `limit` profiles with records, in the order of their bytes, behind `after`, have no mark; and the last of them.

        The profile is None at the end. Those that departed have no record in this sense.
        """

    async def clear(self) -> None:
        """Empty it, as if it were new."""

    async def close(self) -> None:
        """Release memory and files; the store is not used again."""
