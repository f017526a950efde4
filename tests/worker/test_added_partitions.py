"""Partitions that were added: what is finished of the former ones, and which state is moved."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiokafka.partitioner import DefaultPartitioner

from processor.errors import StateRefused
from processor.kafka.commit_metadata import Repartition, committed_as, mark_in, repartition_in
from processor.kafka.offsets import Bounds
from processor.operations import repartition
from processor.worker.added_partitions import AddedPartitions, partition_of
from tests.support.virtual_time import run_in_virtual_time
from tests.worker.parts import Event, settings_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from processor.profile.source_record import Record

KEYS = [b"profile-%03d" % number for number in range(200)]


def events(*keys: bytes | None, first: int = 100) -> Sequence[Record]:
    return [Event(first + at, key) for at, key in enumerate(keys)]


def at_home(partition: int, partitions: int, *, then: int | None = None, of: int = 1) -> list[bytes]:
    """Keys of a partition, of so many; of these those that are in partition `then`, of `of`."""
    return [
        key
        for key in KEYS
        if partition_of(key, partitions) == partition and (then is None or partition_of(key, of) == then)
    ]


def test_keys_are_where_kafka_s_default_partitioner_puts_them() -> None:
    for partitions in (1, 2, 3, 12):
        every = list(range(partitions))
        for key in [*KEYS, b"", b"\xff\xfe"]:
            assert partition_of(key, partitions) == DefaultPartitioner()(key, every, every)


def test_where_the_number_is_a_multiple_all_of_a_former_partition_is_finished() -> None:
    growth = AddedPartitions("events", 2, 4)
    records = events(*KEYS)
    assert growth.finishing(1, records) is records
    assert growth.stands_at(1) is None


def test_else_a_partition_stands_at_the_first_key_that_has_moved_to_it() -> None:
    growth = AddedPartitions("events", 2, 3)
    ours, strangers = at_home(1, 2), at_home(0, 2, then=1, of=3)
    whole = events(*ours[:3], None)
    assert growth.finishing(1, whole) is whole
    records = events(*ours[:2], strangers[0], *ours[2:5])
    assert growth.finishing(1, records) == records[:2]
    assert growth.stands_at(1) == 102


def test_it_is_reported_what_is_finished_and_what_to_do_then() -> None:
    growth = AddedPartitions("events", 2, 3)
    assert "partitions 0, 1 of this worker are not finished yet" in growth.report([0, 1], {1: (7, 9)})
    growth.finishing(1, events(at_home(0, 2)[0], first=7))
    report = growth.report([0, 1], {0: (4, 4), 1: (7, 9)})
    assert "partitions 2 to 2 were added to events" in report
    assert "those of this worker are finished" in report
    assert "`processor state repartition`" in report


def test_what_says_that_a_repartition_is_under_way_is_read_as_it_was_written() -> None:
    assert repartition_in(str(Repartition(2, 4))) == Repartition(2, 4)
    assert mark_in(str(Repartition(2, 4))) is None
    for metadata in ("", "start", "repartition 2 x", "state 1 c t"):
        assert repartition_in(metadata) is None
    assert committed_as(7, str(Repartition(2, 4))) == (7, False, None, Repartition(2, 4))


def looked_at(monkeypatch: pytest.MonkeyPatch, logs: dict[int, Sequence[Record]], now: int) -> None:
    """Have a repartition from 2 partitions to `now` look at what is not taken yet."""

    class Reader:
        async def read(self, _: str, partition: int, start: int, end: int) -> AsyncGenerator[Record, None]:
            for record in logs[partition]:
                if start <= record.offset < end:
                    yield record

    @asynccontextmanager
    async def reader(_: object) -> AsyncIterator[Reader]:
        yield Reader()

    monkeypatch.setattr(repartition, "open_reader", reader)
    work = repartition._Work(settings_of(), Repartition(2, now), dict.fromkeys(logs, 100), lambda *_: None)
    bounds = {partition: Bounds(0, 100 + len(records)) for partition, records in logs.items()}
    run_in_virtual_time(work.check_events(bounds))


def test_events_of_keys_that_stay_or_that_moved_here_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = {number: events(*at_home(number, 3), None) for number in range(3)}
    looked_at(monkeypatch, logs, 3)


def test_events_of_keys_that_have_moved_must_be_taken_first(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = at_home(1, 2, then=3, of=4)
    logs = {0: events(), 1: events(*at_home(1, 4)[:3], *moved[:2]), 2: events(), 3: events(*moved)}
    with pytest.raises(
        StateRefused, match="partition 1: events from offset 103 to 104 are of keys that have moved"
    ):
        looked_at(monkeypatch, logs, 4)


def test_producers_with_a_partitioner_of_their_own_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    logs = {0: events(), 1: events(), 2: events(*rng.sample(KEYS, 20)), 3: events()}
    with pytest.raises(
        StateRefused, match="partition 2 has events of keys that Kafka's default partitioner does not put"
    ):
        looked_at(monkeypatch, logs, 4)
