"""Whether source and changelog are still the topics that they were: one that is made anew under its name is another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from processor.errors import KafkaError, KafkaRefused

if TYPE_CHECKING:
    from processor.kafka.source import Source
    from processor.telemetry.status import Status
    from processor.worker.state_changelog import StateChangelog

log = structlog.get_logger(__name__)


async def watch_topics(source: Source, changelog: StateChangelog, status: Status, interval_s: float) -> None:
    """Look at source and changelog every `interval_s`, until cancelled.

    Raises:
        StateRefused: one of them is another.

    """
    while True:
        await asyncio.sleep(interval_s)
        await check_topics(source, changelog, status)


async def check_topics(source: Source, changelog: StateChangelog, status: Status) -> None:
    """See that source and changelog are the topics that they were; one that is gone is a condition.

    Raises:
        StateRefused: one of them is another.

    """
    try:
        await source.check_identity()
        await changelog.check_identity()
    except KafkaRefused as error:
        status.unhealthy("changelog topic", str(error))
    except KafkaError as error:
        log.info("the topics' ids could not be looked at, looking again later", reason=str(error))
    else:
        status.healthy("changelog topic")
