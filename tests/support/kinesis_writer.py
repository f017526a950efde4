"""A writer on a scripted Kinesis."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from processor.kinesis.writer import Writer
from processor.profile.structs import Export
from processor.settings import KinesisSettings
from processor.waiting.fence import Fence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.support.scripted_kinesis import ScriptedKinesis


MIB = 1024 * 1024


def export(profile: int, number: int, size_bytes: int = 20) -> Export:
    data = b'{"p":%d,"n":%d}' % (profile, number)
    return Export(b"%d" % profile, f"key-{profile}", data.ljust(size_bytes))


def numbers_by_profile(records: Sequence[bytes]) -> dict[int, list[int]]:
    """For each profile the numbers of its records in order, later repeats left out."""
    found: dict[int, list[int]] = defaultdict(list)
    for data in records:
        fields = data.strip(b'{} "').replace(b'"', b"").split(b",")
        profile, number = (int(text.partition(b":")[2]) for text in fields)
        if number not in found[profile]:
            found[profile].append(number)
    return found


def settings(**changes: float) -> KinesisSettings:
    return KinesisSettings.model_validate({"slow_retry_ms": 1_000, **changes})


@asynccontextmanager
async def writing(kinesis: ScriptedKinesis, **changes: float) -> AsyncIterator[Writer]:
    writer = Writer(kinesis, settings(**changes), random.Random(1), Fence(lambda: 0.0, 1.0))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run())
        yield writer
        running.cancel()


def assert_balanced(writer: Writer) -> None:
    figures = writer.figures
    assert figures.submitted == figures.stored + figures.rejected + figures.abandoned + figures.in_flight
    assert figures.buffered_bytes >= 0
