"""A group that is to catch up with its topic."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.members import (
    first_occurrences,
)

if TYPE_CHECKING:
    from tests.support.scripted_kinesis import ScriptedKinesis


PROFILES = 60


async def caught_up(kinesis: ScriptedKinesis, wanted: dict[str, list[str]]) -> None:
    count = sum(map(len, wanted.values()))
    while sum(map(len, first_occurrences(kinesis).values())) < count:
        await asyncio.sleep(0.05)
