"""Whether both ends answer: the clients themselves only retry, and say nothing of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processor.kafka.heartbeats import Heartbeats
    from processor.kafka.source import Source
    from processor.kinesis.writer import Writer
    from processor.telemetry.status import Status


def tell_of_kafka(status: Status, source: Source, heartbeats: Heartbeats, patience_s: float) -> None:
    """Tell the conditions `kafka`, `group`, `instance id` and `source`; a heartbeat may be late by `patience_s`."""
    silence_s, refusal = heartbeats.silence_s, source.refusal
    _tell(status, "group", refusal)
    # Who refuses a member answers it.
    if silence_s < patience_s or heartbeats.is_joining or refusal is not None:
        status.healthy("kafka")
    else:
        status.unhealthy("kafka", f"no heartbeat was answered for {silence_s:.0f} s")
    _tell(status, "instance id", source.rival)
    gone = "topic {} does not exist any more: bring it back with its offsets, or start a new group on another"
    _tell(status, "source", None if source.is_there else gone.format(source.topic))


def tell_of_kinesis(status: Status, writer: Writer) -> None:
    """Tell the condition `kinesis`."""
    now_s = asyncio.get_running_loop().time()
    trouble = writer.trouble
    # Where nothing waits, no call would end an outage.
    if trouble is None and writer.figures.in_flight:
        trouble = writer.size.description(now_s) or writer.outage.description(now_s)
    _tell(status, "kinesis", trouble)


def _tell(status: Status, condition: str, trouble: str | None) -> None:
    if trouble is None:
        status.healthy(condition)
    else:
        status.unhealthy(condition, trouble)
