"""Who comes back to its partitions, and who leaves them to others at once: by how a worker ends."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from processor.errors import KafkaRefused, StateError, StateRefused, WorkerStalled
from processor.service.leave import leave_group


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
    await leave_group(cast("Any", source), error)
    assert source.done == done
