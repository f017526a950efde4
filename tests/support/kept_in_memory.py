"""A definition that is kept in memory in place of Kafka, as `operations.kept_definition.KeptDefinition` keeps it there."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from processor.definition.history import recorded
from processor.definition.model import Definition

if TYPE_CHECKING:
    from collections.abc import Callable


class KeptInMemory:
    """`fail` is what a change ends with that its maker did not refuse; `gate` holds changes back until it is set."""

    def __init__(self, definition: Definition | None = None) -> None:
        self.definition = definition or Definition()
        self.unavailable: Exception | None = None
        self.fail: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.comes_first: list[Callable[[Definition], Definition]] = []
        """Others' changes, each of which is accepted before one of the next change's tries."""
        self.waiting = 0

    def current(self) -> Definition:
        if self.unavailable is not None:
            raise self.unavailable
        return self.definition

    async def change(self, make: Callable[[Definition], Definition], by: str) -> Definition:
        assert by
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        while True:
            former = self.current()
            made = make(former)
            if made is former:
                return former
            if self.fail is not None:
                raise self.fail
            if not self.comes_first:
                self.definition = recorded(former, made, _now_ms(), by)
                return self.definition
            self.definition = recorded(former, self.comes_first.pop(0)(former), _now_ms(), "another")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
