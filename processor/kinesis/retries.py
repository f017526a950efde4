"""Records that wait to be sent again, in groups, each for its time."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from processor.kinesis.ticket import Item


class Delays:
    """Gives each group to `rejoin` when its time is over."""

    def __init__(self, rejoin: Callable[[list[Item]], None]) -> None:
        self._rejoin = rejoin
        self._groups: dict[int, list[Item]] = {}
        self._numbers = itertools.count()

    def __iter__(self) -> Iterator[Item]:
        for group in self._groups.values():
            yield from group

    def add(self, items: list[Item], wait_s: float) -> None:
        """Have a group wait from now on."""
        number = next(self._numbers)
        self._groups[number] = items
        asyncio.get_running_loop().call_later(wait_s, self._end, number)

    def drop_abandoned(self) -> None:
        """Forget what was abandoned."""
        for group in self._groups.values():
            group[:] = [item for item in group if not item.ticket.abandoned]

    def _end(self, number: int) -> None:
        self._rejoin(self._groups.pop(number))
