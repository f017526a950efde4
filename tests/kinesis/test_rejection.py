"""Records that Kinesis rejects: which are given up, when, and what is sent again to find out; on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import KinesisRejected
from processor.kinesis.bisection import PROOFS, Bisection, Verdict
from processor.kinesis.lane import Item, Lane
from processor.kinesis.ticket import Ticket
from processor.state.overlay import Overlay
from processor.telemetry.status import Status
from processor.worker.partition import Partition, Stages
from tests.simulation.workload import core, workload
from tests.support.kinesis_writer import assert_balanced, export, numbers_by_profile, writing
from tests.support.memory_store import MemoryStore
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from processor.kinesis.kinesis_json import Answer
    from processor.profile.structs import Export

SLOW_RETRY_S = 1.0
"""As the tests' settings have it."""
GIVEN_UP_WITHIN_S = (PROOFS + 2) * SLOW_RETRY_S


class Rejecting(ScriptedKinesis):
    """Rejects some records, with the calls that they are in; and every record, in some of its calls."""

    def __init__(
        self,
        seed: int = 5,
        poison: Collection[bytes] = (),
        rejected_calls: Collection[int] = (),
        **faults: Any,
    ) -> None:
        super().__init__(random.Random(seed), faults=Faults(is_poison=poison.__contains__, **faults))
        self.rejected_calls = rejected_calls
        self.calls = 0

    def take(self, records: Sequence[Export]) -> Answer:
        self.calls += 1
        if self.calls - 1 in self.rejected_calls:
            raise KinesisRejected("PutRecords: ValidationException")
        return super().take(records)


def datas(*exports: Export) -> set[bytes]:
    return {each.data for each in exports}


def rejected_positions(ticket: Ticket) -> set[int]:
    return {rejection.position for rejection in ticket.rejections}


@given(
    st.integers(0, 2**32),
    st.sets(st.integers(0, 11), max_size=3),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 40)), max_size=3),
    st.sampled_from([(1, 5), (1, 400)]),
    st.sampled_from([1, 3, 500]),
    st.sampled_from([0, 0.3]),
)
def test_no_good_record_is_given_up_where_kinesis_begins_to_reject_all_at_any_moment(
    seed: int,
    poison: set[int],
    outages: list[tuple[int, int]],
    latency_ms: tuple[float, float],
    records_per_request: int,
    lost_after: float,
) -> None:
    """It begins up to three times, each time after so many calls, for so many."""
    exports = [export(profile, number) for number in range(2) for profile in range(6)]
    rejected_calls, at = set[int](), 0
    for pause, calls in outages:
        rejected_calls |= set(range(at + pause, at + pause + calls))
        at += pause + calls
    kinesis = Rejecting(
        seed,
        datas(*(exports[place] for place in poison)),
        rejected_calls,
        latency_ms=latency_ms,
        lost_after=lost_after,
    )
    tickets = [Ticket(exports[:7]), Ticket(exports[7:]), Ticket([export(6, 0)])]

    async def world() -> None:
        async with writing(kinesis, max_records_per_request=records_per_request) as writer:
            for ticket in tickets:
                await writer.submit(ticket)
                await asyncio.sleep(0.02)
            async with asyncio.timeout(600):
                for ticket in tickets:
                    await ticket.wait()
            assert_balanced(writer)

    run_in_virtual_time(world())
    given_up = rejected_positions(tickets[0]) | {7 + place for place in rejected_positions(tickets[1])}
    assert (given_up, tickets[2].rejections) == (poison, [])
    found = numbers_by_profile([record.data for record in kinesis.stored])
    taken = [each.data for place, each in enumerate(exports) if place not in poison] + [export(6, 0).data]
    assert found == numbers_by_profile(taken)


def test_a_record_that_was_rejected_for_its_neighbour_is_no_proof_once_kinesis_rejects_all() -> None:
    """Its other neighbours are taken, and then, before it goes alone, Kinesis begins to reject every record."""
    exports = [export(profile, 0) for profile in range(4)]
    kinesis = Rejecting(poison=datas(exports[0]))
    ticket = Ticket(exports)
    take = kinesis.take

    def take_until_one_is_alone(records: Sequence[Export]) -> Answer:
        if [each.data for each in records] == [exports[1].data]:
            assert kinesis.stored, "others were not taken before"
            kinesis.faults.is_poison = lambda _: True
        return take(records)

    kinesis.take = take_until_one_is_alone  # type: ignore[method-assign]  # see above

    async def world() -> None:
        async with writing(kinesis) as writer:
            await writer.submit(ticket)
            await asyncio.sleep(20 * SLOW_RETRY_S)
            assert (ticket.rejections, writer.trouble is None) == ([], False)
            kinesis.take = take  # type: ignore[method-assign]  # see above
            kinesis.faults.is_poison = datas(exports[0]).__contains__
            await asyncio.wait_for(ticket.wait(), GIVEN_UP_WITHIN_S)
            assert writer.trouble is None

    run_in_virtual_time(world())
    assert rejected_positions(ticket) == {0}


def test_each_proof_needs_others_that_were_sent_after_the_one_before_and_taken() -> None:
    async def world() -> None:
        bisection, item = Bisection(SLOW_RETRY_S, cast("Any", None), lambda: None), an_item()
        earlier = [bisection.begun() for _ in range(PROOFS)]
        assert bisection.rejected([item], bisection.begun()) is Verdict.CANDIDATE
        for late in earlier:
            bisection.others_were_taken(late)
            assert bisection.next_part() == [], "what was sent before, and is answered late, proves nothing"
        for proofs in range(1, PROOFS + 1):
            others = [bisection.begun() for _ in range(3)]
            bisection.others_were_taken(others[0])
            assert bisection.next_part() == [item]
            verdict = bisection.rejected([item], bisection.begun())
            assert verdict is (Verdict.CONFIRMED if proofs == PROOFS else Verdict.CANDIDATE)
            for late in others[1:]:
                bisection.others_were_taken(late)
                assert bisection.next_part() == []

    run_in_virtual_time(world())


def test_a_record_that_is_taken_in_the_end_was_none_of_it() -> None:
    """What was proven once counts no more where the record goes among others again."""
    exports = [export(profile, 0) for profile in range(2)]
    kinesis = Rejecting(rejected_calls={0, 1, 2})
    ticket = Ticket(exports)

    async def world() -> None:
        async with writing(kinesis) as writer:
            await writer.submit(ticket)
            assert await ticket.wait() == []
            assert_balanced(writer)

    run_in_virtual_time(world())
    assert {record.data for record in kinesis.stored} == datas(*exports)


LAST_TAKEN = [export(1, 0), export(2, 0)]


@pytest.mark.parametrize(
    ("before", "batch", "poison"),
    [
        pytest.param([], [export(profile, 0) for profile in range(100)], export(13, 0), id="among others"),
        pytest.param(LAST_TAKEN, [export(3, 0)], export(3, 0), id="alone, after others"),
        pytest.param(LAST_TAKEN, [export(2, 1)], export(2, 1), id="of the profile that was taken last"),
        pytest.param(
            LAST_TAKEN,
            [export(2, number) for number in range(1, 6)],
            export(2, 1),
            id="of the profile that was taken last, with more of it behind",
        ),
        pytest.param(
            LAST_TAKEN,
            [export(3, number, 50_000) for number in range(60)],
            export(3, 0, 50_000),
            id="with so much of its profile behind that there is no room for others",
        ),
    ],
)
def test_a_record_is_given_up_also_where_nothing_else_can_be_sent(
    before: list[Export], batch: list[Export], poison: Export
) -> None:
    """Neither a quiet topic nor one that waits for this very record may keep it for ever."""
    kinesis = Rejecting(poison=datas(poison))
    ticket = Ticket(batch)

    async def world() -> None:
        async with writing(kinesis, buffer_bytes=1 << 20) as writer:
            if before:
                first = Ticket(before)
                await writer.submit(first)
                await first.wait()
            submitting = asyncio.create_task(writer.submit(ticket))
            await asyncio.wait_for(ticket.wait(), GIVEN_UP_WITHIN_S)
            await submitting
            assert rejected_positions(ticket) == {batch.index(poison)}
            assert (writer.figures.in_flight, writer.figures.buffered_bytes) == (0, 0)
            assert all(lane.held_bytes == 0 for lane in writer.lanes)
            assert_balanced(writer)
            repeats = Counter(record.data for record in kinesis.stored)
            assert repeats.total() - len(repeats) == writer.figures.possible_duplicates <= PROOFS

    run_in_virtual_time(world())
    stored = [record.data for record in kinesis.stored]
    assert set(stored) == datas(*before, *batch) - {poison.data}
    for numbers in _raw_numbers(stored).values():
        assert numbers == sorted(numbers), "what was sent again came behind a later one of its profile"


def test_a_partition_that_has_no_room_before_its_rejected_record_is_settled_goes_on() -> None:
    """It is given more only when it holds less: what would show that Kinesis takes others never comes by itself."""
    events = [event for event in workload(0).events if event.partition == 0]
    exports = [data for data, (number, _) in workload(0).origins.items() if number == 0]
    kinesis = Rejecting(poison={exports[4]})
    dead_letters: list[int] = []

    async def write(_: int, written: Sequence[Any]) -> None:
        dead_letters.extend(
            dead_letter.record.offset for dead_letter in written if dead_letter.reason.value == "rejected"
        )

    async def world() -> None:
        async with writing(kinesis) as writer:
            stages = Stages(
                core(),
                Overlay(MemoryStore()),
                writer,
                write,
                cast("Any", SimpleNamespace(keep=_nothing, passed=_nothing)),
                cast("Any", SimpleNamespace(passed=_nothing)),
            )
            partition = Partition(0, stages, Status(), state_bytes_max=1 << 20, on_room=lambda: None)
            running = asyncio.create_task(partition.run())
            for at in range(0, len(events), 2):
                async with asyncio.timeout(GIVEN_UP_WITHIN_S):
                    while partition.held_bytes:
                        await asyncio.sleep(0.01)
                partition.offer(events[at : at + 2], None)
            async with asyncio.timeout(GIVEN_UP_WITHIN_S):
                while partition.next_offset != events[-1].offset + 1:
                    await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait([running])

    run_in_virtual_time(world())
    assert dead_letters == [workload(0).origins[exports[4]][1]]


@pytest.mark.parametrize("count", [1, 10])
def test_where_kinesis_takes_none_a_record_waits_until_it_does(count: int) -> None:
    kinesis = ScriptedKinesis(random.Random(5), faults=Faults(is_poison=lambda _: True))
    ticket = Ticket([export(profile, 0) for profile in range(count)])

    async def world() -> None:
        async with writing(kinesis) as writer:
            await writer.submit(ticket)
            await asyncio.sleep(60)
            assert (ticket.unsettled, writer.figures.rejected) == (count, 0)
            assert writer.trouble is not None
            kinesis.faults = Faults()
            assert await ticket.wait() == []
            assert writer.trouble is None

    run_in_virtual_time(world())


def test_a_rejected_record_among_others_makes_no_trouble() -> None:
    """It is found while they are taken: nothing is wrong with the stream."""
    kinesis, troubles = Rejecting(poison=datas(export(3, 0))), set[str | None]()

    async def world() -> None:
        async with writing(kinesis) as writer:
            ticket = Ticket([export(profile, 0) for profile in range(20)])
            await writer.submit(ticket)
            number = 0
            while ticket.unsettled:
                number += 1
                await writer.submit(Ticket([export(50, number)]))
                await asyncio.sleep(0.05)
                troubles.add(writer.trouble)
            assert writer.figures.possible_duplicates == 0, "there were others to see by"

    run_in_virtual_time(world())
    assert troubles == {None}


@pytest.mark.parametrize("latency_ms", [(1, 5), (400, 500), (900, 1100)])
def test_while_what_is_sent_again_is_on_its_way_no_candidate_is_tried(
    latency_ms: tuple[float, float],
) -> None:
    """A rejection then would prove nothing, and look as if no record was taken."""
    poison = [export(1, 0), export(2, 0)]
    kinesis = Rejecting(poison=datas(*poison), latency_ms=latency_ms)
    first, candidate = Ticket([export(3, 0)]), Ticket(poison)

    async def world() -> None:
        async with writing(kinesis) as writer:
            await writer.submit(first)
            await first.wait()
            called = kinesis.calls
            await writer.submit(candidate)
            await candidate.wait()
            # Together, and halved; each alone, once more, and as often as it takes proofs; and what is sent again.
            assert kinesis.calls - called == 1 + 2 * (2 + PROOFS) + writer.figures.possible_duplicates
            assert writer.figures.possible_duplicates == PROOFS

    run_in_virtual_time(world())
    assert rejected_positions(candidate) == {0, 1}


@pytest.mark.parametrize("is_sent", [True, False])
def test_what_is_sent_again_is_dropped_with_its_partition(is_sent: bool) -> None:
    """Whoever owns it then may have written a later one of the profile."""
    kinesis = Rejecting(poison=datas(export(1, 0)))
    taken, candidate = Ticket([export(2, 0)], 1), Ticket([export(1, 0)], 0)

    async def world() -> None:
        async with writing(kinesis) as writer:
            await writer.submit(taken)
            await taken.wait()
            await writer.submit(candidate)
            if is_sent:
                await _until(
                    lambda: bool(kinesis.in_flight) and kinesis.in_flight[0][0].data == export(2, 0).data
                )
            await writer.abandon(1, [])
            assert not any(each.data == export(2, 0).data for call in kinesis.in_flight for each in call)
            assert writer.figures.in_flight == 1
            await asyncio.sleep(10 * GIVEN_UP_WITHIN_S)
            assert len(kinesis.stored) <= 1 + is_sent
            assert candidate.unsettled, "nothing was there to see by"
            others = Ticket([export(3, 0)], 2)
            await writer.submit(others)
            await candidate.wait()
            await writer.abandon(0, [])
            await writer.abandon(2, [])
            assert (writer.figures.in_flight, writer.figures.buffered_bytes) == (0, 0)
            assert_balanced(writer)

    run_in_virtual_time(world())
    assert rejected_positions(candidate) == {0}


def test_nothing_of_its_profile_overtakes_what_is_sent_again() -> None:
    """The model fails where two records of one profile are in flight."""
    kinesis = Rejecting(poison=datas(export(1, 0)), latency_ms=(300, 400))
    first, candidate = Ticket([export(2, 0)]), Ticket([export(1, 0)])

    async def world() -> None:
        async with writing(kinesis) as writer:
            await writer.submit(first)
            await first.wait()
            await writer.submit(candidate)
            await _until(
                lambda: bool(kinesis.in_flight) and kinesis.in_flight[0][0].data == export(2, 0).data
            )
            later = Ticket([export(2, 1)])
            await writer.submit(later)
            await later.wait()
            await candidate.wait()

    run_in_virtual_time(world())
    numbers = _raw_numbers([record.data for record in kinesis.stored])[2]
    assert numbers[:3] == [0, 0, 1], "it was not sent again, or overtaken"
    assert set(numbers[3:]) <= {1}, "what was sent again was no longer its profile's newest"


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(GIVEN_UP_WITHIN_S):
        while not holds():
            await asyncio.sleep(0.0005)


async def _nothing(*_: object) -> None:
    return None


def an_item() -> Item:
    ticket = Ticket([export(1, 0)])
    return Item(ticket.exports[0], ticket, 0, Lane("shard", 0.0, 1 << 20), 20)


def _raw_numbers(stored: Sequence[bytes]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for data in stored:
        ((profile, (number,)),) = numbers_by_profile([data]).items()
        found.setdefault(profile, []).append(number)
    return found
