"""An event loop whose clock is moved by waiting: an hour costs no more than what happens in it."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

_Result = TypeVar("_Result")


class Stuck(Exception):
    """Nothing is ready, and nothing ever will be: a deadlock in what is tested."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs in-memory worlds only: no sockets, no threads."""

    def __init__(self) -> None:
        self._selector_of_time = _TimeSelector()
        super().__init__(self._selector_of_time)

    def time(self) -> float:
        """Seconds since the world began."""
        return self._selector_of_time.now_s


class _TimeSelector(selectors.BaseSelector):
    def __init__(self) -> None:
        self.now_s = 0.0
        self._keys: dict[object, selectors.SelectorKey] = {}

    def register(self, fileobj: object, events: int, data: object = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, 0, events, data)  # type: ignore[arg-type]  # never polled
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: object) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck
        self.now_s += max(timeout, 0.0)
        return []

    def get_map(self) -> Mapping[object, selectors.SelectorKey]:  # type: ignore[override]  # as in selectors
        return self._keys


def run_in_virtual_time(world: Coroutine[object, object, _Result]) -> _Result:
    """Run a coroutine to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(world)
