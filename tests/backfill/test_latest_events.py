"""The latest event of each profile, found backwards in chunks, whatever the source holds, and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.backfill import latest_events
from processor.backfill.latest_events import LatestEvents, count_unmet
from processor.errors import KafkaUnavailable
from processor.kafka.offsets import Bounds
from tests.support.memory_store import MemoryStore
from tests.support.stores import member
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Sequence

    from processor.profile.source_record import Record


class Event(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    headers: tuple[tuple[str, bytes | None], ...] = ()


KEYS: list[bytes | None] = [None, b"", b"\xff\x08", *(b"p%d" % number for number in range(9))]


class Limits(NamedTuple):
    """What is patched small: a chunk's bytes, the offsets that are read first, the bytes that a chunk reads, how many are struck out before they are marked, and how many are marked at once."""

    chunk_bytes: int = 2_000
    first_offsets: int = 3
    read_bytes: int = 4_000
    struck_at_once: int = 2
    struck_max: int = 4
    marked_at_once: int = 2

    def patched(self) -> mock._patch[object]:
        return mock.patch.multiple(
            latest_events,
            CHUNK_BYTES=self.chunk_bytes,
            _FIRST_OFFSETS=self.first_offsets,
            _READ_BYTES_MAX=self.read_bytes,
            _STRUCK_AT_ONCE=self.struck_at_once,
            _STRUCK_MAX=self.struck_max,
            _MARKED_AT_ONCE=self.marked_at_once,
        )


class History:
    """What the source has, in memory, in batches of up to `at_once`; `on_batch` is called before each, and may raise."""

    def __init__(self, events: Sequence[Event], at_once: int, on_batch: Callable[[], None]) -> None:
        self._events = events
        self._at_once = at_once
        self._on_batch = on_batch

    async def bounds(self, _: int) -> Bounds:
        return Bounds(0, self._events[-1].offset + 1 if self._events else 0)

    async def read(self, _: int, span: Bounds) -> AsyncGenerator[Sequence[Record], None]:
        found = [each for each in self._events if span.begin <= each.offset < span.end]
        for at in range(0, len(found), self._at_once):
            await asyncio.sleep(0)
            self._on_batch()
            yield found[at : at + self._at_once]
        await asyncio.sleep(0)
        self._on_batch()


class SlowStore(MemoryStore):
    """A store in which something happens before it marks, and before it answers."""

    def __init__(self, on_turn: Callable[[], None]) -> None:
        super().__init__()
        self._on_turn = on_turn
        self._one_at_a_time = asyncio.Lock()

    async def mark(self, profiles: Sequence[bytes]) -> set[bytes]:
        async with self._one_at_a_time:
            await asyncio.sleep(0)
            self._on_turn()
            new = await super().mark(profiles)
            await asyncio.sleep(0)
            self._on_turn()
            return new


@dataclass
class World:
    """A search over `events`, beside live events that strike profiles out, and with a Kafka that fails now and then."""

    events: Sequence[Event]
    rng: random.Random
    limits: Limits = field(default_factory=Limits)
    at_once: int = 3
    strikes: float = 0.0
    failures: float = 0.0
    is_at_home: Callable[[bytes], bool] | None = None
    found: dict[bytes, Event] = field(default_factory=dict)
    struck: set[bytes] = field(default_factory=set)
    read: int = 0
    held_bytes_most: int = 0
    struck_most: int = 0

    async def search(self) -> MemoryStore:
        """Search all there is, as a backfill does."""
        store = SlowStore(self._happen)
        self._search = search = LatestEvents(store, self._note_read, self.is_at_home)
        history = History(self.events, self.at_once, self._happen_or_fail)
        down_to = (await history.bounds(0)).end
        while True:
            reading = None
            if down_to > 0:
                span = Bounds(0, down_to)
                reading = asyncio.create_task(search.read(history, 0, span))  # type: ignore[arg-type]  # a stand-in
            while search.found or (reading and not reading.done()):
                self._take(search.take(self.rng.randrange(1, 4)))
                self._happen()
                if search.has_struck_too_many:
                    await search.mark_struck()
                await asyncio.sleep(0)
            if reading is not None:
                try:
                    down_to = await reading
                except KafkaUnavailable:
                    continue
            if not search.advance() and down_to <= 0:
                self.strikes = 0.0
                await search.mark_struck()
                return store

    def strike_out(self, profiles: Collection[bytes]) -> None:
        self._search.strike_out(profiles)
        self.struck.update(profiles)

    def _take(self, events: Sequence[Record]) -> None:
        for event in events:
            assert isinstance(event, Event)
            assert event.key is not None
            assert event.key not in self.struck, "a live event of it was worked on"
            assert event.key not in self.found, "each is looked at once"
            self.found[event.key] = event

    def _happen(self) -> None:
        search = self._search
        self.held_bytes_most = max(
            self.held_bytes_most,
            search.held_bytes + sum(map(latest_events._held_bytes, search._reading.values())),
        )
        self.struck_most = max(self.struck_most, len(search._struck))
        if self.rng.random() < self.strikes:
            profiles = [key for key in KEYS if key is not None]
            self.strike_out(self.rng.sample(profiles, self.rng.randrange(1, 3)))

    def _happen_or_fail(self) -> None:
        self._happen()
        if self.rng.random() < self.failures:
            raise KafkaUnavailable("as scripted")

    def _note_read(self, read: latest_events.Read) -> None:
        self.read += read.events


def latest_of(events: Sequence[Event]) -> dict[bytes, Event]:
    """By the naive model."""
    return {event.key: event for event in events if event.key is not None}


@st.composite
def sources(draw: st.DrawFn) -> list[Event]:
    """Events with gaps between their offsets, some of profiles that have many, and some large."""
    offset, found = draw(st.integers(0, 5)), list[Event]()
    sizes = st.sampled_from([None, 0, 10, 300, 3_000])
    for key, size, gap in draw(
        st.lists(st.tuples(st.sampled_from(KEYS), sizes, st.sampled_from([1, 1, 1, 2, 40])), max_size=40)
    ):
        found.append(Event(offset, key, None if size is None else bytes(size)))
        offset += gap
    return found


LIMITS = st.builds(
    Limits,
    chunk_bytes=st.sampled_from([1, 600, 2_000, 1 << 20]),
    first_offsets=st.sampled_from([1, 3, 50]),
    read_bytes=st.sampled_from([1, 500, 4_000]),
    struck_at_once=st.integers(1, 3),
    struck_max=st.integers(1, 5),
    marked_at_once=st.integers(1, 4),
)


@given(sources(), LIMITS, st.integers(1, 6))
def test_each_profiles_latest_event_is_found_once(events: list[Event], limits: Limits, at_once: int) -> None:
    world = World(events, random.Random(0), limits, at_once)
    with limits.patched():
        store = run_in_virtual_time(world.search())
    assert world.found == latest_of(events)
    assert store._marked == set(world.found)


@settings(max_examples=max(300, settings().max_examples))  # much must meet
@given(
    sources(),
    LIMITS,
    st.integers(1, 6),
    st.sampled_from([0.02, 0.1, 0.5]),
    st.sampled_from([0.0, 0.05, 0.3]),
    st.integers(),
)
def test_what_live_events_strike_out_is_not_found_any_more_and_all_else_is_however_often_kafka_fails(
    events: list[Event],
    limits: Limits,
    at_once: int,
    strikes: float,
    failures: float,
    seed: int,
) -> None:
    world = World(events, random.Random(seed), limits, at_once, strikes, failures)
    with limits.patched():
        store = run_in_virtual_time(world.search())
    latest = latest_of(events)
    assert world.found.items() <= latest.items()
    assert latest.keys() - world.struck <= world.found.keys()
    # Whoever counts what the source has nothing of counts neither.
    assert store._marked == world.found.keys() | world.struck


@given(sources(), LIMITS, st.integers(1, 6))
def test_no_more_than_two_chunks_and_what_comes_at_once_are_in_memory(
    events: list[Event], limits: Limits, at_once: int
) -> None:
    world = World(events, random.Random(0), limits, at_once)
    with limits.patched():
        run_in_virtual_time(world.search())
    largest = max([latest_events._held_bytes(each) for each in events], default=0)
    assert world.held_bytes_most <= 2 * (limits.chunk_bytes + at_once * largest)


def test_profiles_that_are_struck_out_are_marked_before_they_are_too_many() -> None:
    events = [Event(offset, KEYS[1 + offset % 11], b"") for offset in range(300)]
    world = World(events, random.Random(3), Limits(struck_max=4), strikes=0.9)
    with world.limits.patched():
        run_in_virtual_time(world.search())
    assert world.struck_most <= 4 + 2 * 2, "what is struck out while the store answers comes on top"


@pytest.mark.parametrize("profiles", [1_000, 300, 1], ids=lambda each: f"{each} profiles")
def test_no_event_is_read_more_than_twice_where_profiles_are_alike(profiles: int) -> None:
    rng = random.Random(profiles)
    events = [Event(offset, b"%d" % rng.randrange(profiles), bytes(100)) for offset in range(3_000)]
    world = World(events, rng, Limits(20_000, 10, 100_000), at_once=20)
    with world.limits.patched():
        run_in_virtual_time(world.search())
    assert world.found == latest_of(events)
    assert len(events) <= world.read <= 2 * len(events)


def test_a_long_gap_costs_few_reads() -> None:
    events = [Event(0, b"p", b""), Event(10_000_000, b"q", b"")]
    world, spans = World(events, random.Random(0)), list[Bounds]()

    class Counted(History):
        def read(self, partition: int, span: Bounds) -> AsyncGenerator[Sequence[Record], None]:
            spans.append(span)
            return super().read(partition, span)

    with world.limits.patched(), mock.patch(f"{__name__}.History", Counted):
        run_in_virtual_time(world.search())
    assert world.found == latest_of(events)
    assert len(spans) < 20


def test_profiles_whose_state_is_another_partitions_are_met_and_not_handed_over() -> None:
    events = [Event(offset, b"p%d" % (offset % 4), b"") for offset in range(20)]
    world = World(events, random.Random(0), is_at_home=lambda profile: profile in {b"p1", b"p3"})
    with world.limits.patched():
        store = run_in_virtual_time(world.search())
    assert {key: event.offset for key, event in world.found.items()} == {b"p1": 17, b"p3": 19}
    assert store._marked == {b"p0", b"p1", b"p2", b"p3"}


def test_where_there_is_nothing_nothing_is_found() -> None:
    world = World([], random.Random(0))
    run_in_virtual_time(world.search())
    assert (world.found, world.read) == ({}, 0)


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_profiles_that_have_state_and_were_neither_found_nor_struck_out_are_counted(at_once: int) -> None:
    async def counted() -> int:
        store = MemoryStore()
        await store.apply({b"p%d" % number: member(number) for number in range(10)}, 1)
        await store.mark([b"p%d" % number for number in range(5, 12)])
        return await count_unmet(store)

    with mock.patch.object(latest_events, "_COUNTED_AT_ONCE", at_once):
        assert run_in_virtual_time(counted()) == 5
