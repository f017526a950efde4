"""One record of a profile is on its way, and its later ones queue behind it."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.kinesis.lane import Item
from processor.kinesis.profile_order import HOT, ProfileOrder
from processor.kinesis.ticket import Ticket
from processor.native import CORE, native
from tests.kinesis.parts import items
from tests.support.kinesis_writer import export

if TYPE_CHECKING:
    import random

pytestmark = pytest.mark.usefixtures("library")
EITHER_LIBRARY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["plain"] if CORE == "plain" else ["plain", "compiled"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "processor.kinesis.profile_order.native", native if request.param == "compiled" else None
    )


def test_the_first_of_each_profile_goes_and_later_ones_queue() -> None:
    order = ProfileOrder()
    first, other, later = items([export(1, 0), export(2, 0), export(1, 1)])
    assert order.admit([first, other, later], 0).going == [first, other]
    assert list(order) == [later]


def test_a_profile_becomes_hot_once_with_the_record_that_makes_many_queue() -> None:
    order = ProfileOrder()
    all_items = items([export(1, number) for number in range(HOT + 3)])
    assert not order.admit(all_items[:HOT], 0).has_become_hot
    assert not order.admit(items([export(2, 0), export(2, 1)]), 0).has_become_hot
    assert order.admit(
        [*items([export(3, 0)]), *all_items[HOT : HOT + 2], *items([export(3, 1)])], 0
    ).has_become_hot
    assert not order.admit(all_items[HOT + 2 :], 0).has_become_hot, "it was before"
    for item in all_items[:4]:
        order.done([item])
    assert order.admit(items([export(1, number) for number in range(20, 24)]), 0).has_become_hot, "again"


def test_the_next_of_a_profile_goes_when_the_one_before_is_done() -> None:
    order = ProfileOrder()
    all_items = items([export(1, number) for number in range(3)])
    order.admit(all_items, 0)
    assert order.done(all_items[:1]) == [(all_items[1], 1)], "with how many queue behind it"
    assert order.done(all_items[1:2]) == [(all_items[2], 0)]
    assert order.done(all_items[2:]) == []
    again = items([export(1, 3)])
    assert order.admit(again, 0).going == again


def test_equal_keys_of_two_partitions_are_two_profiles() -> None:
    order = ProfileOrder()
    one, other = items([export(1, 0)], 0), items([export(1, 0)], 1)
    assert order.admit(one, 0).going == one
    assert order.admit(other, 1).going == other
    assert order.done(one) == []


def test_what_was_never_on_its_way_cannot_be_done() -> None:
    order = ProfileOrder()
    one, another = items([export(1, 0)]), items([export(2, 0)])
    order.admit(one, 0)
    with pytest.raises(KeyError) as raised:
        order.done(another)
    assert raised.value.args == (b"2",)
    assert order.done(one) == []


def test_what_is_done_cannot_be_done_again() -> None:
    order = ProfileOrder()
    all_items = items([export(1, 0), export(2, 0), export(2, 1)])
    order.admit(all_items, 0)
    order.done(all_items[:1])
    with pytest.raises(KeyError):
        order.done(all_items[:1])
    assert order.done(all_items[1:2]) == [(all_items[2], 0)], "nothing of the others has changed"


def test_what_was_on_its_way_in_a_partition_that_was_released_cannot_be_done() -> None:
    order = ProfileOrder()
    released, other = items([export(1, 0)], 3), items([export(1, 0)], 4)
    order.admit(released, 3)
    order.admit(other, 4)
    order.release(3)
    with pytest.raises(KeyError) as raised:
        order.done([*released, *other])
    assert raised.value.args == (3,)
    assert order.done(other) == []


@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize("is_released", [False, True])
def test_where_one_cannot_be_done_none_is(*, position: int, is_released: bool) -> None:
    order = ProfileOrder()
    first, second, queued = items([export(1, 0), export(2, 0), export(2, 1)], 4)
    elsewhere, (unknown,) = items([export(1, 0)], 5), items([export(3, 0)], 3 if is_released else 4)
    order.admit([first, second, queued], 4)
    order.admit(elsewhere, 5)
    settled = [first, second, *elsewhere]
    with pytest.raises(KeyError):
        order.done([*settled[:position], unknown, *settled[position:]])
    assert list(order) == [queued]
    assert order.done(settled) == [(queued, 0)]
    assert order.done([queued]) == []
    assert order._partitions == {4: {}, 5: {}}


@pytest.mark.parametrize("profiles", [1, 2, 40])
def test_tickets_that_are_made_when_they_are_asked_for_are_of_their_partitions(profiles: int) -> None:
    class Anew:
        def __init__(self, item: Item) -> None:
            self.export = item.export
            self._partition = item.ticket.partition

        @property
        def ticket(self) -> Ticket:
            return Ticket([], self._partition)

    order = ProfileOrder()
    admitted = [(items([export(each, 0)], each % 3), each % 3) for each in range(profiles)]
    for each, partition in admitted:
        order.admit(each, partition)
    settled: list[Any] = [Anew(item) for each, _ in admitted for item in each]
    assert order.done(settled) == []
    assert order._partitions == {partition: {} for _, partition in admitted}


def test_nothing_is_done_of_nothing() -> None:
    assert ProfileOrder().done([]) == []
    assert ProfileOrder().done(()) == []


def test_of_several_tickets_and_partitions_at_once_what_goes_next_is_told_in_their_order() -> None:
    order = ProfileOrder()
    of_two = [export(1, 0), export(2, 0)]
    first, second = items(of_two, 0), items([export(1, 1), export(3, 0), export(1, 2)], 0)
    elsewhere, later = items(of_two, 1), items([export(2, 1)], 1)
    assert order.admit(first, 0).going == first
    assert order.admit(second, 0).going == [second[1]]
    assert order.admit(elsewhere, 1).going == elsewhere
    assert order.admit(later, 1).going == []
    settled = (elsewhere[1], first[1], second[1], first[0], elsewhere[0])
    assert order.done(settled) == [(later[0], 0), (second[0], 1)]
    assert list(order) == [second[2]]
    assert order.done([later[0], second[0]]) == [(second[2], 0)]
    assert order.done([second[2]]) == []
    again = items(of_two, 0)
    assert order.admit(again, 0).going == again, "nothing is left of them"


def test_many_are_done_at_once() -> None:
    order = ProfileOrder()
    tickets = [items([export(profile, ticket) for profile in range(100)], ticket % 3) for ticket in range(9)]
    for number, ticket in enumerate(tickets):
        assert order.admit(ticket, number % 3).going == (ticket if number < 3 else [])
    for number in range(0, 9, 3):
        behind = 1 - number // 3
        following = [item for ticket in tickets[number + 3 : number + 6] for item in ticket]
        assert order.done([item for ticket in tickets[number : number + 3] for item in ticket]) == [
            (item, behind) for item in following
        ]
    assert order._partitions == {0: {}, 1: {}, 2: {}}


def test_a_partition_that_is_released_leaves_nothing_behind() -> None:
    order = ProfileOrder()
    order.admit(items([export(1, 0), export(1, 1)], 3), 3)
    order.release(3)
    assert list(order) == []
    again = items([export(1, 0)], 3)
    assert order.admit(again, 3).going == again


def test_a_record_that_is_sent_again_takes_the_turn_of_a_profile_that_has_nothing_on_its_way() -> None:
    order = ProfileOrder()
    assert order.go_before([], 0, b"1")
    (later,) = items([export(1, 1)])
    assert order.admit([later], 0).going == [], "it queues behind what is sent again"


def test_a_record_that_is_sent_again_goes_before_a_candidate_of_its_profile_and_all_behind_it() -> None:
    order = ProfileOrder()
    candidate, later, other = items([export(1, 1), export(1, 2), export(2, 0)])
    order.admit([candidate, later, other], 0)
    assert order.go_before([other, candidate], 0, b"1")
    (repeated,) = items([export(1, 0)])
    assert order.done([repeated]) == [(candidate, 1)]
    assert order.done([candidate]) == [(later, 0)]


def test_a_record_is_not_sent_again_while_another_of_its_profile_is_on_its_way() -> None:
    order = ProfileOrder()
    on_its_way, later = items([export(1, 1), export(1, 2)])
    order.admit([on_its_way, later], 0)
    elsewhere = items([export(1, 1)], 1)
    assert not order.go_before(elsewhere, 0, b"1")
    assert order.done([on_its_way]) == [(later, 0)], "nothing has changed"


@EITHER_LIBRARY
@given(st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=10), st.randoms(use_true_random=False))
def test_whatever_is_done_when_every_profile_goes_in_order_and_one_by_one(
    batches: list[list[int]], rng: random.Random
) -> None:
    order, numbers = ProfileOrder(), defaultdict[int, int](int)
    on_its_way, went = deque[Item](), defaultdict[bytes, list[bytes]](list)
    for batch in [*batches, *([[]] * sum(map(len, batches)))]:
        exports = []
        for profile in batch:
            exports.append(export(profile, numbers[profile]))
            numbers[profile] += 1
        on_its_way.extend(order.admit(items(exports), 0).going)
        profiles = [item.export.profile for item in on_its_way]
        assert len(set(profiles)) == len(profiles)
        if on_its_way:
            on_its_way.rotate(rng.randrange(len(on_its_way)))
            settled = [on_its_way.popleft() for _ in range(rng.randint(1, len(on_its_way)))]
            for item in settled:
                went[item.export.profile].append(item.export.data)
            on_its_way.extend(following for following, _ in order.done(settled))
    expected = {
        b"%d" % profile: [export(profile, n).data for n in range(count)] for profile, count in numbers.items()
    }
    assert (went, list(order)) == (expected, [])
