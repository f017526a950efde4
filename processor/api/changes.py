"""Changes of the definition, one after the other, each made in a thread and then kept: the loop has others to serve."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from processor.api.request import Occasion
from processor.errors import DefinitionConflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.api.request import Answer, Changing, Request
    from processor.definition.model import Definition

    Keep: TypeAlias = Callable[[Callable[[Definition], Definition], str], Awaitable[Definition]]

_TRIES: Final = 8


class Changed(NamedTuple):
    """What came of a change: which definition it is `of`, which is in force with it, and what is answered."""

    of: Definition
    in_force: Definition
    answer: Answer

    @property
    def is_one(self) -> bool:
        """Whether anything is another than before."""
        return self.in_force.version > self.of.version


class Changes:
    """`current` and `keep` are `current` and `change` of `operations.kept_definition.KeptDefinition`."""

    def __init__(self, current: Callable[[], Definition], keep: Keep) -> None:
        self._current = current
        self._keep = keep
        self._turn = asyncio.Lock()
        """Of those that are made here: each begins with what the one before it has made."""

    async def change(self, handle: Changing, request: Request, by: str) -> Changed:
        """Make a change, again where another member's comes first, and have it kept; errors are those of `handle` and `keep`."""
        async with self._turn:
            for _ in range(_TRIES):
                of = self._current()
                occasion = Occasion(time.time_ns() // 1_000_000, by, _new_id)
                made, answer = await asyncio.to_thread(handle, of, request, occasion)
                kept = _Kept(of, made)
                in_force = await self._keep(kept.make, by)
                if not kept.is_overtaken:
                    return Changed(of, in_force, answer)
        raise DefinitionConflict(
            f"{_TRIES} times another member changed the definition first; nothing was changed: try again"
        )


class _Kept:
    """A change as it is asked for by who keeps it: of another definition than it was made from it makes nothing."""

    def __init__(self, of: Definition, made: Definition) -> None:
        self._of = of
        self._made = made
        self.is_overtaken = False

    def make(self, definition: Definition) -> Definition:
        """What was made of this definition, or else the definition itself."""
        self.is_overtaken = definition is not self._of
        return definition if self.is_overtaken else self._made


def _new_id() -> str:
    return str(uuid.uuid4())
