"""Self-fencing: a member that the group may have given up begins nothing that could outlive its membership."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_AGAIN_S: Final = 0.05


class Fence:
    """Open as long as the coordinator answered within `limit_s`: session time-out less request time-out.

    Whatever begins while it is open has ended, or timed out, before another member can own the partition.
    """

    def __init__(self, silence_s: Callable[[], float], limit_s: float) -> None:
        self._silence_s = silence_s
        self._limit_s = limit_s

    @property
    def is_open(self) -> bool:
        """Whether a request may begin now."""
        return self._silence_s() < self._limit_s

    async def passed(self) -> None:
        """Wait until a request may begin."""
        while not self.is_open:  # noqa: ASYNC110  time opens and shuts it, no one's deed
            await asyncio.sleep(_LOOK_AGAIN_S)
