"""A batch that expires is its sender's to tell of, and nobody else's."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import LeaderNotAvailableError
from aiokafka.producer.message_accumulator import BatchBuilder, MessageBatch

from processor.kafka.expired_batches import heed_expiry


async def expired() -> tuple[Any, list[dict[str, Any]]]:
    """What the sender waits for, and what asyncio has to complain of once the batch is forgotten."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    builder = BatchBuilder(batch_size=1_000, compression_type=0, is_transactional=False)
    batch = MessageBatch(TopicPartition("t", 0), builder, 1.0, 0.0)
    sent = batch.future
    batch.failure(exception=LeaderNotAvailableError())
    del batch
    gc.collect()
    await asyncio.sleep(0)
    return sent, complaints


async def test_nothing_but_what_the_sender_is_told_comes_of_it() -> None:
    heed_expiry()
    heed_expiry()
    sent, complaints = await expired()
    with pytest.raises(LeaderNotAvailableError):
        await sent
    assert complaints == []


async def test_aiokafka_alone_has_it_complained_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once this fails, the module is needed no more."""
    heeded = MessageBatch.failure
    if hasattr(heeded, "is_heeded"):
        (alone,) = [each.cell_contents for each in heeded.__closure__ if callable(each.cell_contents)]
        monkeypatch.setattr(MessageBatch, "failure", alone)
    sent, complaints = await expired()
    assert len(complaints) == 1
    assert isinstance(sent.exception(), LeaderNotAvailableError)
