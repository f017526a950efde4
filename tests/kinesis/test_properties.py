"""What the writer holds to under load, with shards that have limits, fail, split and merge; on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from processor.kinesis.connection import RECORD_BYTES_DEFAULT
from processor.kinesis.ticket import Ticket
from tests.support.kinesis_writer import assert_balanced, export, numbers_by_profile, writing
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from processor.kinesis.writer import Writer

MIB = 1024 * 1024
LIMIT_PER_S = 1000


@asynccontextmanager
async def connected(kinesis: ScriptedKinesis, **changes: float) -> AsyncIterator[Writer]:
    async with writing(kinesis, **{"buffer_bytes": 2 * MIB, **changes}) as writer:
        await writer.connect()
        yield writer


@asynccontextmanager
async def under_load(
    writer: Writer,
    profiles_of: Mapping[int, Sequence[int]],
    *,
    size_bytes: int = 20,
    per_s: float | None = None,
) -> AsyncIterator[None]:
    """Batches of ten, of random profiles of each partition, as fast as the writer takes them, or at a rate each."""
    rng, loop = random.Random(7), asyncio.get_running_loop()
    numbers: dict[int, int] = defaultdict(int)
    tickets: dict[int, deque[Ticket]] = {partition: deque() for partition in profiles_of}

    async def load(partition: int, profiles: Sequence[int]) -> None:
        next_s = loop.time()
        while True:
            exports = []
            for profile in rng.choices(profiles, k=10):
                exports.append(export(profile, numbers[profile], size_bytes))
                numbers[profile] += 1
            ticket = Ticket(exports, partition)
            tickets[partition].append(ticket)
            while not tickets[partition][0].unsettled:
                tickets[partition].popleft()
            await writer.submit(ticket)
            next_s = max(next_s + 10 / per_s, loop.time() - 1) if per_s else loop.time()
            await asyncio.sleep(max(0.0, next_s - loop.time()))

    async with asyncio.TaskGroup() as tasks:
        loading = [tasks.create_task(load(*each)) for each in profiles_of.items()]
        yield
        for task in loading:
            task.cancel()
        await asyncio.wait(loading)
        for partition in profiles_of:
            await writer.abandon(partition, tickets[partition])


def by_partition(profiles: Iterable[int], partitions: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {partition: [] for partition in range(partitions)}
    for profile in profiles:
        found[profile % partitions].append(profile)
    return found


def stored_in(kinesis: ScriptedKinesis, *, but: Sequence[str] = ()) -> int:
    return sum(len(shard.records) for shard in kinesis.all_shards if shard.id not in but)


def assert_in_order(kinesis: ScriptedKinesis) -> None:
    """Every profile's numbers from the first on, none left out; what was abandoned at the end is missing there."""
    for numbers in numbers_by_profile([record.data for record in kinesis.stored]).values():
        assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize(
    ("size_bytes", "limit_per_s"),
    [(100, LIMIT_PER_S), (4096 - len("key-500"), MIB / 4096)],
    ids=["records", "bytes"],
)
@pytest.mark.parametrize("overload", [2, None], ids=["twice", "without-end"])
def test_an_overloaded_shard_is_given_what_it_takes_and_hardly_more(
    overload: float | None, size_bytes: int, limit_per_s: float
) -> None:
    kinesis = ScriptedKinesis(random.Random(5), shards=1, faults=Faults(limited=True))

    async def world() -> tuple[int, int]:
        async with connected(kinesis) as writer:
            per_s = overload and overload * limit_per_s / 4
            async with under_load(writer, by_partition(range(1_000), 4), size_bytes=size_bytes, per_s=per_s):
                await asyncio.sleep(10)
                stored, throttled = stored_in(kinesis), kinesis.throttled
                await asyncio.sleep(30)
                return stored_in(kinesis) - stored, kinesis.throttled - throttled

    stored, throttled = run_in_virtual_time(world())
    assert stored >= 0.95 * limit_per_s * 30
    assert throttled < 0.05 * (stored + throttled)
    assert_in_order(kinesis)


def test_a_limit_that_other_producers_use_up_is_found_and_so_is_its_end() -> None:
    kinesis = ScriptedKinesis(random.Random(5), shards=1, faults=Faults(limited=True))

    async def world() -> None:
        async with connected(kinesis) as writer, under_load(writer, by_partition(range(1_000), 4)):
            kinesis.all_shards[0].share = 0.3
            await asyncio.sleep(15)
            stored, throttled = stored_in(kinesis), kinesis.throttled
            await asyncio.sleep(20)
            found, refused = stored_in(kinesis) - stored, kinesis.throttled - throttled
            assert found >= 0.9 * 0.3 * LIMIT_PER_S * 20
            assert refused < 0.1 * (found + refused)
            kinesis.all_shards[0].share = 1.0
            await asyncio.sleep(30)
            stored = stored_in(kinesis)
            await asyncio.sleep(10)
            assert stored_in(kinesis) - stored >= 0.95 * LIMIT_PER_S * 10

    run_in_virtual_time(world())


def shards_and_profiles(kinesis: ScriptedKinesis) -> tuple[list[int], list[int]]:
    """Profiles of the first shard, and of the others."""
    first = kinesis.all_shards[0]
    on_first = [n for n in range(2_000) if kinesis.shard_of(f"key-{n}") is first]
    return on_first, sorted(set(range(2_000)) - set(on_first))


@pytest.mark.parametrize("fault", ["hot", "dead"])
def test_a_hot_or_dead_shard_does_not_slow_the_others_down(fault: str) -> None:
    def others_a_second(*, is_faulty: bool) -> float:
        kinesis = ScriptedKinesis(random.Random(5), faults=Faults(limited=True))
        first = kinesis.all_shards[0]
        if is_faulty and fault == "dead":
            kinesis.faults.dead_shards = {first.id}
        on_first, on_others = shards_and_profiles(kinesis)

        async def world() -> float:
            async with (
                connected(kinesis, shard_buffer_bytes=MIB) as writer,
                under_load(writer, {1: on_others}, per_s=2_000),
                under_load(writer, {0: on_first}, per_s=5_000 if is_faulty else 100),
            ):
                await asyncio.sleep(5)
                before = stored_in(kinesis, but=[first.id])
                await asyncio.sleep(10)
                return (stored_in(kinesis, but=[first.id]) - before) / 10

        return run_in_virtual_time(world())

    undisturbed = others_a_second(is_faulty=False)
    assert undisturbed >= 1_900
    assert others_a_second(is_faulty=True) >= 0.95 * undisturbed


def test_what_is_parked_for_a_dead_shard_has_a_bound_and_then_only_its_partitions_stop() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(limited=True))
    first = kinesis.all_shards[0]
    kinesis.faults.dead_shards = {first.id}
    on_first, on_others = shards_and_profiles(kinesis)

    async def world() -> None:
        async with (
            connected(kinesis, shard_buffer_bytes=MIB) as writer,
            under_load(
                writer, {0: on_first + on_others[::2], 1: on_others[1::2]}, size_bytes=1_000, per_s=1_000
            ),
        ):
            await asyncio.sleep(60)
            lane = next(lane for lane in writer.lanes if lane.shard_id == first.id)
            assert 0.95 * MIB < lane.held_bytes <= MIB
            assert writer.figures.buffered_bytes < 2 * MIB
            stored = stored_in(kinesis)
            await asyncio.sleep(10)
            assert 0.95 * 10_000 <= stored_in(kinesis) - stored <= 1.05 * 10_000
            kinesis.faults.dead_shards = set()
            await asyncio.sleep(5)
            stored = stored_in(kinesis)
            await asyncio.sleep(10)
            assert stored_in(kinesis) - stored >= 0.95 * 20_000

    run_in_virtual_time(world())
    assert_in_order(kinesis)


@pytest.mark.parametrize("how", ["split", "merge", "grow"])
def test_resharding_under_load_loses_nothing_keeps_the_order_and_is_looked_up_once(how: str) -> None:
    kinesis = ScriptedKinesis(random.Random(5), shards=4, faults=Faults(limited=True))

    def reshard() -> None:
        one, two, *_ = kinesis.open_shards
        if how == "split":
            kinesis.split(one)
        elif how == "merge":
            kinesis.merge(one, two)
        else:
            for shard in kinesis.open_shards:
                kinesis.split(shard)

    async def world() -> None:
        async with connected(kinesis) as writer, under_load(writer, by_partition(range(2_000), 4)):
            await asyncio.sleep(10)
            stored, looked_up = stored_in(kinesis), kinesis.listings
            await asyncio.sleep(5)
            before = stored_in(kinesis) - stored
            reshard()
            await asyncio.sleep(5)
            stored = stored_in(kinesis)
            assert kinesis.listings == looked_up + 1
            assert {lane.shard_id for lane in writer.lanes} == {shard.id for shard in kinesis.open_shards}
            await asyncio.sleep(5)
            after = stored_in(kinesis) - stored
            expected = {"split": 1.0, "merge": 0.7, "grow": 1.9}[how]
            assert after >= expected * before
            assert_balanced(writer)

    run_in_virtual_time(world())
    assert_in_order(kinesis)


def test_with_shards_that_cannot_be_listed_records_go_and_it_is_said_what_is_lost() -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(limited=True, unlisted="AccessDeniedException"))

    async def world() -> None:
        async with (
            writing(kinesis, buffer_bytes=2 * MIB) as writer,
            under_load(writer, by_partition(range(2_000), 4)),
        ):
            with capture_logs() as logged:
                await writer.connect()
            (warning,) = (each for each in logged if each["log_level"] == "warning")
            assert "holds back all others" in warning["event"]
            assert "grant it" in warning["reason"]
            await asyncio.sleep(20)
            stored = stored_in(kinesis)
            await asyncio.sleep(10)
            assert stored_in(kinesis) - stored >= 0.9 * 4 * LIMIT_PER_S * 10

    run_in_virtual_time(world())
    assert_in_order(kinesis)


def test_a_stream_that_ignores_keys_is_written_to_and_it_is_said_what_is_lost() -> None:
    kinesis = ScriptedKinesis(random.Random(5))
    kinesis.ignores_keys = True

    async def world() -> None:
        async with writing(kinesis) as writer:
            with capture_logs() as logged:
                await writer.connect()
            (warning,) = logged
            assert "RecordDistributionStrategy=AUTO" in warning["event"]
            assert "no order" in warning["event"]
            ticket = Ticket([export(profile, 0) for profile in range(100)])
            await writer.submit(ticket)
            await ticket.wait()

    run_in_virtual_time(world())
    assert (len(kinesis.stored), kinesis.listings) == (100, 0)


def test_a_map_that_is_out_of_date_from_the_start_harms_nothing() -> None:
    kinesis = ScriptedKinesis(random.Random(5), shards=2)

    async def world() -> None:
        async with connected(kinesis) as writer:
            kinesis.split(kinesis.all_shards[0])
            tickets = [Ticket([export(profile, number) for profile in range(300)]) for number in range(3)]
            for ticket in tickets:
                await writer.submit(ticket)
            for ticket in tickets:
                await ticket.wait()
            assert_balanced(writer)

    run_in_virtual_time(world())
    assert numbers_by_profile([r.data for r in kinesis.stored]) == {n: [0, 1, 2] for n in range(300)}


@pytest.mark.parametrize(
    "outage",
    [
        Faults(unavailable=1.0, limited=True),
        Faults(lost_before=1.0, limited=True),
        Faults(failed=1.0, limited=True),
        Faults(throttled=1.0, limited=True),
        Faults(refused="ExpiredTokenException", limited=True),
    ],
    ids=["unavailable", "unreachable", "failing", "throttling", "refusing"],
)
def test_after_a_long_outage_the_throughput_is_back_within_five_seconds(outage: Faults) -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(limited=True))

    async def world() -> None:
        load = by_partition(range(2_000), 4)
        async with (
            connected(kinesis, buffer_bytes=4 * MIB, slow_retry_ms=4_000) as writer,
            under_load(writer, load, size_bytes=500),
        ):
            await asyncio.sleep(10)
            kinesis.faults = outage
            calls = len(kinesis.requests)
            await asyncio.sleep(600)
            assert writer.figures.buffered_bytes <= 4 * MIB
            assert len(kinesis.requests) - calls <= 600 * 4 / 0.5, "no hot loop"
            kinesis.faults = Faults(limited=True)
            await asyncio.sleep(5)
            stored = stored_in(kinesis)
            await asyncio.sleep(5)
            assert stored_in(kinesis) - stored >= 0.9 * 4 * LIMIT_PER_S * 5

    run_in_virtual_time(world())
    assert_in_order(kinesis)


def test_a_stream_without_limits_is_not_held_to_them() -> None:
    kinesis = ScriptedKinesis(random.Random(5), shards=1)

    async def world() -> None:
        async with connected(kinesis) as writer, under_load(writer, by_partition(range(1_000), 4)):
            await asyncio.sleep(8)
            stored = stored_in(kinesis)
            await asyncio.sleep(1)
            assert stored_in(kinesis) - stored >= 5 * LIMIT_PER_S

    run_in_virtual_time(world())


def test_an_export_that_the_stream_takes_is_not_kept_back_by_a_smaller_buffer() -> None:
    kinesis = ScriptedKinesis(random.Random(5))

    async def world() -> None:
        async with writing(kinesis, buffer_bytes=MIB, shard_buffer_bytes=MIB) as writer:
            kinesis.record_bytes = 5 * MIB
            await writer.connect()
            ticket = Ticket([export(profile, 0, size) for profile, size in enumerate([20, 4 * MIB, 20])])
            await writer.submit(ticket)
            await ticket.wait()

    run_in_virtual_time(world())
    assert len(kinesis.stored) == 3


moments = st.lists(
    st.tuples(st.sampled_from(["split", "merge", "die", "live"]), st.integers(0, 7)), max_size=6
)
shares = st.sampled_from([0, 0, 0.05, 0.3])


@given(
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.builds(
        Faults, throttled=shares, failed=shares, lost_before=shares, lost_after=shares, limited=st.booleans()
    ),
    moments,
)
@hypothesis_settings(max_examples=60)
def test_resharding_and_dying_shards_at_any_moment_lose_nothing_and_keep_the_order(
    seed: int, shards: int, faults: Faults, happening: list[tuple[str, int]]
) -> None:
    kinesis = ScriptedKinesis(random.Random(seed), shards=shards, faults=faults)

    def happen(what: str, which: int) -> None:
        in_order = sorted(kinesis.open_shards, key=lambda shard: shard.first_hash)
        at = which % len(in_order)
        if what == "split":
            kinesis.split(in_order[at])
        elif what == "merge" and at + 1 < len(in_order):
            kinesis.merge(in_order[at], in_order[at + 1])
        elif what == "die":
            kinesis.faults.dead_shards = {in_order[at].id}
        else:
            kinesis.faults.dead_shards = set()

    async def world() -> None:
        async with connected(kinesis) as writer:
            tickets = []
            for number in range(12):
                tickets.append(Ticket([export(profile, number) for profile in range(40)]))
                await writer.submit(tickets[-1])
                if number % 2 and number // 2 < len(happening):
                    happen(*happening[number // 2])
                await asyncio.sleep(0.01)
            kinesis.faults.dead_shards = set()
            for ticket in tickets:
                await ticket.wait()
            assert_balanced(writer)
            assert writer.figures.in_flight == writer.figures.buffered_bytes == 0
            assert sum(lane.held_bytes for lane in writer.lanes) == 0

    run_in_virtual_time(world())
    assert numbers_by_profile([r.data for r in kinesis.stored]) == {n: list(range(12)) for n in range(40)}


def test_the_record_maximum_is_the_streams() -> None:
    kinesis = ScriptedKinesis(random.Random(5))

    async def world() -> None:
        async with writing(kinesis) as writer:
            assert writer.max_record_bytes == RECORD_BYTES_DEFAULT
            kinesis.record_bytes = 3 * MIB
            await writer.connect()
            assert writer.max_record_bytes == 3 * MIB
            kinesis.record_bytes = 2 * MIB
            await asyncio.sleep(301)
            assert writer.max_record_bytes == 2 * MIB

    run_in_virtual_time(world())
