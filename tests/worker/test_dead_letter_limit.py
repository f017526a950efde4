"""When dead letters are held back: on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from processor.settings import ServiceSettings
from processor.telemetry.status import Status
from processor.worker.dead_letter_limit import CONDITION, NEAR, DeadLetterLimit, Passing
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def limit_of(status: Status, **changes: Any) -> DeadLetterLimit:
    """More than 10 and a half, in a minute; any number in a row."""
    settings = {"count": 10, "share": 0.5, "window_ms": 60_000, "run": 0} | changes
    return DeadLetterLimit(
        ServiceSettings.model_validate(
            {f"dead_letter_limit_{name}": value for name, value in settings.items()}
        ),
        status,
    )


def batch(bad: int, received: int, next_offset: int) -> Passing:
    """One whose first events are bad."""
    first = next_offset - received
    return Passing(range(first, first + bad), received, next_offset)


def held(
    batches: Iterable[tuple[int, int]], every_s: float = 0.0, partitions: int = 1, **changes: Any
) -> tuple[int, int]:
    """How many of the batches (dead_letters, received), of partitions in turns, pass before it holds; and their dead_letters."""

    async def world() -> tuple[int, int]:
        status = Status()
        limit, passed, dead_letters, offset = limit_of(status, **changes), 0, 0, 0
        for number, (bad, received) in enumerate(batches):
            offset += received
            try:
                async with asyncio.timeout(1):
                    await limit.passed(number % partitions, [batch(bad, received, offset)])
            except TimeoutError:
                assert CONDITION in status.conditions
                assert limit.is_held
                return passed, dead_letters
            passed, dead_letters = passed + 1, dead_letters + bad
            await asyncio.sleep(every_s)
        assert CONDITION not in status.conditions
        return passed, dead_letters

    return run_in_virtual_time(world())


ONLY_BAD = [(5, 5)] * 100


def test_a_topic_of_bad_events_is_not_drained() -> None:
    assert held(ONLY_BAD) == (2, 10)


@pytest.mark.parametrize("good_before", [100, 1_000_000])
@pytest.mark.parametrize("every_s", [0.0, 0.05])
def test_however_many_good_events_were_before_it_holds_within_the_count(
    good_before: int, every_s: float
) -> None:
    before = [(0, 300)] * (good_before // 300)
    for bad, count in ((ONLY_BAD, 10), ([(300, 300)] * 100, 1_000), ([(3, 5)] * 100, 10)):
        passed, dead_letters = held([*before, *bad], every_s, count=count)
        assert len(before) <= passed < len(before) + 10
        # Windows are made of whole batches: one smaller than a batch lets some more pass.
        assert dead_letters <= (count if count > 300 else 2 * count)


def test_some_bad_events_among_many_pass() -> None:
    assert held([(5, 100)] * 1_000)[0] == 1_000


def test_just_under_the_share_passes_for_ever_and_just_above_it_does_not() -> None:
    assert held([(49, 100)] * 1_000, count=100)[0] == 1_000
    assert held([(52, 100)] * 1_000, count=100)[0] < 5


def test_few_bad_events_pass_though_they_are_all_there_is() -> None:
    assert held([(1, 1)] * 10) == (10, 10)


def test_what_is_older_than_the_window_does_not_count() -> None:
    assert held([(5, 5)] * 20, every_s=45)[0] == 20


@pytest.mark.parametrize("run", [0, 5])
def test_no_count_is_no_limit(run: int) -> None:
    assert held([(500, 500)] * 20, count=0, run=run)[0] == 20


@pytest.mark.parametrize("every_s", [0.0, 3_600.0])
def test_so_many_in_a_row_are_too_many_however_slowly_they_come(every_s: float) -> None:
    assert held([(1, 1)] * 100, every_s, count=1_000, run=30) == (29, 29)


def test_a_good_event_ends_a_run() -> None:
    assert held([*[(1, 1)] * 29, (0, 1)] * 50, count=1_000_000, run=30)[0] == 1_500


def test_a_run_is_of_one_partition_whatever_the_others_hold() -> None:
    # Of four partitions one has bad events alone: a quarter of all, and no share.
    assert held([(5, 5), (0, 5), (0, 5), (0, 5)] * 100, partitions=4, run=30) == (20, 25)


def test_it_is_warned_of_before_it_holds_and_says_what_was() -> None:
    async def world() -> tuple[list[str], str]:
        status = Status()
        limit = limit_of(status, count=100)
        ratios, notices = [], []
        for number in range(10):
            if number < 9:
                await limit.passed(0, [batch(11, 12, 12 * number)])
                ratios.append(limit.ratio)
                notices.append(limit.notice)
            else:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        await limit.passed(0, [batch(11, 12, 12 * number)])
        assert ratios == pytest.approx([0.11 * number for number in range(1, 10)])
        assert notices[:4] == [None] * 4
        assert notices[4] is not None
        assert "55 of the last 60 events were bad" in notices[4]
        assert limit.ratio == 1
        return [line["event"] for line in lines], status.conditions[CONDITION]

    with capture_logs() as lines:
        events, why = run_in_virtual_time(world())
    assert events == [
        "many dead letters, the limit is near",
        "too many dead letters, no more are written",
        "unready",
    ]
    assert "110 of the last 120 events were bad (PROCESSOR_DEAD_LETTER_LIMIT_COUNT: 100, _SHARE: 50%)" in why
    assert "would" not in why
    assert "SIGHUP" in why


def test_it_is_warned_of_once_and_again_when_it_was_far_meanwhile() -> None:
    async def world() -> int:
        limit = limit_of(Status(), count=100)
        for bad, received in [*[(10, 100), (90, 100)] * 5, *[(0, 100)] * 3, (80, 80)]:
            await limit.passed(0, [batch(bad, received, 0)])
        return sum("near" in line["event"] for line in lines)

    with capture_logs() as lines:
        assert run_in_virtual_time(world()) == 2
    assert NEAR == 0.5


@pytest.mark.parametrize("dead_letters", [0, 3])
def test_only_what_has_dead_letters_stands_still(dead_letters: int) -> None:
    async def world() -> bool:
        limit = limit_of(Status())
        stands_still = [asyncio.create_task(limit.passed(0, [batch(20, 20, 20)]))]
        await asyncio.sleep(0)
        stands_still.append(
            asyncio.create_task(limit.passed(1, [batch(0, 20, 20), batch(dead_letters, 50, 70)]))
        )
        await asyncio.sleep(1)
        still = not stands_still[1].done()
        limit.lift({})
        await asyncio.gather(*stands_still)
        return still

    assert run_in_virtual_time(world()) == bool(dead_letters)


async def passing(limit: DeadLetterLimit, partition: int, batches: Sequence[Passing]) -> int:
    """How many pass."""
    for number, each in enumerate(batches):
        try:
            async with asyncio.timeout(1):
                await limit.passed(partition, [each])
        except TimeoutError:
            return number
    return len(batches)


def test_once_it_is_lifted_what_the_topic_had_passes_and_what_came_later_counts() -> None:
    async def world() -> None:
        status = Status()
        status.healthy("starting")
        limit = limit_of(status, run=50)
        backlog = [batch(5, 5, 5 * number) for number in range(1, 101)]
        assert await passing(limit, 0, backlog) == 2
        assert CONDITION in status.conditions
        limit.lift({0: 500, 1: 10})
        assert CONDITION not in status.conditions
        assert limit.notice is None
        assert await passing(limit, 0, backlog) == 100
        assert limit.ratio == 0
        # Another member's partition, which this one was given meanwhile.
        assert await passing(limit, 1, [batch(10, 10, 10)]) == 1
        assert CONDITION not in status.conditions
        assert await passing(limit, 0, [batch(5, 5, 500 + 5 * number) for number in range(1, 101)]) == 2
        assert CONDITION in status.conditions

    with capture_logs() as lines:
        run_in_virtual_time(world())
    done = [line for line in lines if line["event"].startswith("what was let through is done")]
    assert [(line["partition"], line["offset"], line["dead_letters"]) for line in done] == [
        (0, 500, 500),
        (1, 10, 10),
    ]


@pytest.mark.parametrize("partitions", [1, 12])
def test_a_batch_across_the_end_of_what_is_let_through_counts_from_there_on(partitions: int) -> None:
    async def world() -> int:
        status = Status()
        status.healthy("starting")
        limit = limit_of(status)
        limit.lift(dict.fromkeys(range(partitions), 200))
        # The producer is mended: all that came after the lift is good.
        for number in range(partitions):
            assert await passing(limit, number, [batch(200, 250, 250), batch(0, 10, 260)]) == 2
        assert limit.ratio == 0
        assert CONDITION not in status.conditions
        limit.lift({0: 400})
        # It is not: those that came after count.
        return await passing(limit, 0, [batch(140, 140, 400), batch(8, 8, 408), batch(8, 8, 416)])

    with capture_logs() as lines:
        assert run_in_virtual_time(world()) == 2
    done = [
        line["dead_letters"] for line in lines if line["event"].startswith("what was let through is done")
    ]
    assert done == [*[200] * partitions, 140]


def test_a_batch_that_waited_is_reported_among_what_was_let_through() -> None:
    async def world() -> None:
        limit = limit_of(Status())
        waiting = asyncio.create_task(limit.passed(0, [batch(20, 20, 20), batch(20, 20, 40)]))
        await asyncio.sleep(1)
        assert limit.is_held
        limit.lift({0: 40})
        await waiting
        assert limit.ratio == 0

    with capture_logs() as lines:
        run_in_virtual_time(world())
    done = [
        line["dead_letters"] for line in lines if line["event"].startswith("what was let through is done")
    ]
    assert done == [40]


def test_lifting_begins_a_new_window() -> None:
    async def world() -> dict[str, str]:
        status = Status()
        status.healthy("starting")
        limit = limit_of(status)
        waiting = asyncio.create_task(limit.passed(0, [batch(20, 20, 20)]))
        await asyncio.sleep(1)
        assert CONDITION in status.conditions
        limit.lift({})
        await waiting
        await limit.passed(0, [batch(9, 9, 29)])
        return status.conditions

    assert run_in_virtual_time(world()) == {}


def test_a_partition_that_is_given_up_takes_its_run_with_it() -> None:
    async def world() -> float:
        limit = limit_of(Status(), count=1_000, run=20)
        await limit.passed(0, [batch(15, 15, 15)])
        limit.released(0)
        await limit.passed(0, [batch(15, 15, 15)])
        return limit.ratio

    assert run_in_virtual_time(world()) == pytest.approx(0.75)
