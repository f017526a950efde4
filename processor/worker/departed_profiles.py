"""Profiles that departed, and when their records have had their use: once no replay can come back to their last events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processor.worker.checkpoint import Checkpoint


class Departures:
    """The departed profiles of one partition, as far as their records are kept."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        # Profiles may have departed before this offset. Those of former lives are looked for once.
        self._until = 1

    @property
    def may_be_any(self) -> bool:
        """Whether there may be departed profiles whose records are kept."""
        return self._until > 0

    def add(self, before_offset: int) -> None:
        """Note that profiles departed at source offsets before `before_offset`."""
        self._until = before_offset

    async def purge(self, committed_offset: int) -> bool:
        """Delete some of those that departed before `committed_offset`, and return whether there may be more of them.

        Raises:
            StateError: the store cannot be read or written.

        """
        if await self._checkpoint.purge_departed(committed_offset):
            return True
        if committed_offset >= self._until:
            self._until = 0
        return False
