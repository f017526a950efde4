"""Batches that expire while their partition has no leader, in aiokafka's producers.

aiokafka gives such a batch's error to whoever sent it, and to a second future on which nobody waits unless the buffer is full. asyncio then
logs an error with a trace that nobody has retrieved the exception, though its sender was told and tries again.

This module touches a private name of aiokafka; a test sees that it is still there.
"""

from __future__ import annotations

from typing import Any

from aiokafka.producer.message_accumulator import MessageBatch


def heed_expiry() -> None:
    """Have that second future looked at; harmless to call again."""
    fail = MessageBatch.failure
    if hasattr(fail, "is_heeded"):
        return

    def failure(batch: Any, exception: BaseException) -> None:  # noqa: ANN401  aiokafka has no types
        fail(batch, exception)
        waiter = batch._drain_waiter  # noqa: SLF001  the module's docstring says why
        if waiter.done() and not waiter.cancelled():
            waiter.exception()

    failure.is_heeded = True  # type: ignore[attr-defined]  # so that it is done once
    MessageBatch.failure = failure
