"""A sample is read once for all who ask, and kept for a minute."""

from __future__ import annotations

import asyncio

import pytest

from processor.errors import KafkaUnavailable
from processor.operations.kept_sample import KEPT_S, RENEWED_S, KeptSample
from processor.operations.suggestions import Suggestions
from processor.operations.topic_sample import SampleRead
from tests.support.virtual_time import run_in_virtual_time


class Topic:
    """What is read of it takes a second; `fails` is what the next reading ends with."""

    def __init__(self) -> None:
        self.readings = 0
        self.ended = 0
        self.fails: Exception | None = None

    async def read(self) -> SampleRead:
        self.readings += 1
        number = self.readings
        try:
            await asyncio.sleep(1)
        finally:
            self.ended += 1
        if self.fails is not None:
            raise self.fails
        return SampleRead(Suggestions(events=number), 1, 1)


def test_who_asks_at_once_is_answered_by_one_reading_which_is_kept() -> None:
    async def world() -> None:
        topic = Topic()
        kept = KeptSample(topic.read)
        found = await asyncio.gather(*(kept.not_older(KEPT_S) for _ in range(8)))
        assert {each.read.suggestions.events for each in found} == {1}
        await asyncio.sleep(KEPT_S - 2)
        assert (await kept.not_older(KEPT_S)).read.suggestions.events == 1

    run_in_virtual_time(world())


def test_after_a_minute_it_is_let_go_of_and_read_anew() -> None:
    async def world() -> None:
        topic = Topic()
        kept = KeptSample(topic.read)
        await kept.not_older(KEPT_S)
        await asyncio.sleep(KEPT_S + 1)
        assert (await kept.not_older(10 * KEPT_S)).read.suggestions.events == 2

    run_in_virtual_time(world())


def test_it_is_renewed_for_who_asks_but_not_again_and_again() -> None:
    async def world() -> None:
        topic = Topic()
        kept = KeptSample(topic.read)
        await kept.not_older(KEPT_S)
        assert (await kept.not_older(RENEWED_S)).read.suggestions.events == 1
        await asyncio.sleep(RENEWED_S)
        found = await asyncio.gather(*(kept.not_older(RENEWED_S) for _ in range(8)))
        assert {each.read.suggestions.events for each in found} == {2}
        assert (await kept.not_older(KEPT_S)).read.suggestions.events == 2

    run_in_virtual_time(world())


def test_a_reading_that_fails_is_told_and_the_next_asker_reads() -> None:
    async def world() -> None:
        topic = Topic()
        kept = KeptSample(topic.read)
        topic.fails = KafkaUnavailable("Kafka is away")
        with pytest.raises(KafkaUnavailable):
            await kept.not_older(KEPT_S)
        topic.fails = None
        assert (await kept.not_older(KEPT_S)).read.suggestions.events == 2

    run_in_virtual_time(world())


def test_a_reading_whose_asker_leaves_is_ended_and_who_waited_reads() -> None:
    async def world() -> None:
        topic = Topic()
        kept = KeptSample(topic.read)
        leaving = asyncio.create_task(kept.not_older(KEPT_S))
        waiting = asyncio.create_task(kept.not_older(KEPT_S))
        await asyncio.sleep(0.5)
        leaving.cancel()
        assert (await waiting).read.suggestions.events == 2
        assert (topic.readings, topic.ended) == (2, 2)

    run_in_virtual_time(world())
