"""Who comes back to its partitions, and who leaves them to others at once: by how a worker ends."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from processor.errors import KafkaRefused, StateError, StateRefused, WorkerStalled
from processor.service.run import _leave_group


class Source:
    def __init__(self) -> None:
        self.done: list[str] = []

    def comes_back(self) -> None:
        self.done.append("comes back")

    async def stop(self) -> None:
        self.done.append("stop")


@pytest.mark.parametrize(
    ("error", "done"),
    [
        (None, ["stop"]),
        (StateRefused("a person must decide"), ["stop"]),
        (ExceptionGroup("", [ExceptionGroup("", [KafkaRefused("an ACL is missing")])]), ["stop"]),
        (ExceptionGroup("", [WorkerStalled("no progress")]), ["comes back", "stop"]),
        (ExceptionGroup("", [StateError("the disk is full")]), ["comes back", "stop"]),
        (RuntimeError("a bug"), ["comes back", "stop"]),
        (asyncio.CancelledError(), ["comes back", "stop"]),
    ],
)
async def test_who_fails_in_a_way_that_a_new_start_may_cure_comes_back(
    error: BaseException | None, done: list[str]
) -> None:
    source = Source()
    pipeline: Any = SimpleNamespace(source=source)
    await _leave_group(pipeline, None if error is None else type(error), error, None)
    assert source.done == done
