"""The benchmarks' workload is what it says: its own account of changes is the core's."""

from __future__ import annotations

from collections import Counter, defaultdict
from operator import itemgetter
from statistics import mean
from typing import TYPE_CHECKING

import pytest

from benchmarks.workload import REFERENCE, Shape, Workload, destination_text, newest_time, planned_clock
from benchmarks.workload.plan import Batches, planned
from processor.configuration import parse_configuration
from processor.errors import InvalidEvent
from processor.governance.plan import compile_plan
from processor.profile.core import Core

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.workload import Event
    from processor.profile.structs import Export

_FEW = 2000


class Followed:
    """Events through the core, with the states kept."""

    def __init__(self, shape: Shape) -> None:
        text = destination_text(shape, "http://127.0.0.1:1")
        self._core = Core(compile_plan(*parse_configuration((text, "destination.yaml"), None, {})))
        self._states: dict[bytes, bytes] = {}
        self._offset = 0
        self.invalid = Counter[str]()

    def follow(self, events: Iterable[Event]) -> list[tuple[Event, Export | None]]:
        return [(event, self._one(event)) for event in events]

    def _one(self, event: Event) -> Export | None:
        self._offset += 1
        try:
            transition = self._core.apply(
                event.key,
                event.value,
                (),
                timestamp_ms=event.timestamp_ms,
                offset=self._offset,
                state=self._states.get(event.key),
            )
        except InvalidEvent as error:
            self.invalid[error.reason.value] += 1
            return None
        if transition.state is not None:
            self._states[event.key] = transition.state
        return transition.export


def few_profiles(**parameters: float) -> Shape:
    return Shape(**{"profiles": _FEW, **parameters})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "shape",
    [
        few_profiles(),
        few_profiles(share_of_changes=0.2, share_requalified=0.9),
        few_profiles(segments=1, segments_mapped=1, attributes_mapped=1),
        few_profiles(segments=60, segments_mapped=50, attributes_mapped=12, zipf=1.2),
        few_profiles(share_of_attributes=0, share_of_identities=1, share_invalid=0.1),
    ],
    ids=["reference", "few changes", "one segment", "much mapped", "identities and invalid events"],
)
def test_an_event_is_exported_exactly_where_the_workload_says_so(shape: Shape) -> None:
    workload, followed = Workload(shape), Followed(shape)
    events = [*followed.follow(workload.births()), *followed.follow(workload.events(5000))]
    assert [event.is_change for event, _ in events] == [export is not None for _, export in events]


def test_events_that_are_due_at_a_rate_bear_the_times_at_which_they_are() -> None:
    shape, began_s = few_profiles(), 1_800_000_000.0
    followed = Followed(shape)
    followed.follow(Workload(shape).births())
    fed = followed.follow(Workload(shape, planned_clock(began_s, 100)).events(20_000))
    assert [event.is_change for event, _ in fed] == [export is not None for _, export in fed]
    for number, (event, export) in enumerate(fed):
        assert event.timestamp_ms == int((began_s + number / 100) * 1000)
        assert export is None or newest_time(export.data) == pytest.approx(began_s + number / 100, abs=1e-3)


class Batch:
    """Takes seven events, as aiokafka's batches take so many bytes."""

    def __init__(self) -> None:
        self.events: list[tuple[bytes, int]] = []

    def append(self, *, key: bytes, value: bytes, timestamp: int) -> object | None:
        assert value
        if len(self.events) == 7:
            return None
        self.events.append((key, timestamp))
        return self


@pytest.mark.parametrize("rate", [3.0, 999.0, 2_340.0, 80_000.0])
def test_what_is_fed_is_gathered_ahead_and_sent_when_the_last_of_it_is_due(rate: float) -> None:
    began_s = 1_800_000_000.0
    events = list(Workload(few_profiles(), planned_clock(began_s, rate)).events(3_000))
    plan = planned(events, Batches(4, Batch), rate, began_s)
    of_partition: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
    for tick in plan.ticks:
        for partition, batch in tick.batches:
            of_partition[partition] += batch.events
            for _, due_ms in batch.events:
                assert -1 <= tick.due_s * 1000 - due_ms <= 11
        assert max(batch.events[-1][1] for _, batch in tick.batches) == pytest.approx(
            tick.due_s * 1000, abs=1
        )
    sent = [event for of_one in of_partition.values() for event in of_one]
    assert sorted(sent) == sorted((event.key, event.timestamp_ms) for event in events)
    assert all(of_one == sorted(of_one, key=itemgetter(1)) for of_one in of_partition.values())
    keys = [{key for key, _ in of_one} for of_one in of_partition.values()]
    assert sum(map(len, keys)) == len(set[bytes]().union(*keys))
    assert plan.produced.as_dict() == {
        "events": len(events),
        "changes": sum(event.is_change for event in events),
        "value_bytes": sum(len(event.value) for event in events),
    }


def test_what_is_sent_as_fast_as_it_goes_is_sent_in_full_batches() -> None:
    batches = Batches(2, Batch)
    events = list(Workload(few_profiles()).events(100))
    full = []
    for event in events:
        batches.add(event)
        full += batches.take_full()
    rest = batches.take()
    assert {len(batch.events) for _, batch in full} == {7}
    assert sorted(partition for partition, _ in rest) == [0, 1]
    assert sum(len(batch.events) for _, batch in full + rest) == 100
    assert batches.take() == []


def test_seven_tenths_of_the_reference_workload_are_exported() -> None:
    shape = few_profiles()
    assert shape.share_of_changes == REFERENCE.share_of_changes == 0.7
    workload, followed = Workload(shape), Followed(shape)
    followed.follow(workload.births())
    exported = [export for _, export in followed.follow(workload.events(20_000)) if export]
    assert len(exported) / 20_000 == pytest.approx(0.7, abs=0.01)


def test_events_of_the_reference_workload_have_their_size() -> None:
    workload = Workload(few_profiles())
    for _ in workload.births():
        pass
    sizes = [len(event.value) for event in workload.events(20_000)]
    assert mean(sizes) == pytest.approx(REFERENCE.event_bytes, rel=0.05)


@pytest.mark.parametrize("event_bytes", [2_000, 20_000, 300_000])
def test_large_events_have_their_size_to_the_byte(event_bytes: int) -> None:
    workload = Workload(few_profiles(event_bytes=event_bytes))
    assert {len(event.value) for event in workload.events(50)} == {event_bytes}


def test_every_export_carries_the_time_of_its_event() -> None:
    shape = few_profiles()
    workload, followed = Workload(shape), Followed(shape)
    followed.follow(workload.births())
    for event, export in followed.follow(workload.events(5000)):
        if export is not None:
            newest_s = newest_time(export.data)
            assert newest_s is not None
            assert newest_s * 1000 - event.timestamp_ms == pytest.approx(0.5, abs=0.501)


def test_the_same_seed_gives_the_same_events() -> None:
    def events(seed: int) -> list[Event]:
        workload = Workload(few_profiles(seed=seed, share_invalid=0.05, zipf=0.9))
        return [*workload.births(), *workload.events(1000)]

    assert events(7) == events(7)
    assert events(7) != events(8)


def test_invalid_events_are_invalid_in_several_ways() -> None:
    shape = few_profiles(share_invalid=0.2)
    workload, followed = Workload(shape), Followed(shape)
    followed.follow(workload.events(5000))
    assert set(followed.invalid) == {"bad-json", "bad-membership", "bad-identity"}
    assert followed.invalid.total() / 5000 == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("zipf", "profiles", "share"),
    [
        (0, 2000, 1 / 2000),
        (1, 2000, 1 / 8.18),  # 1 / the harmonic number of 2,000
        (1, 7919, 1 / 9.55),  # the step by which the hot ones are spread, itself
    ],
)
def test_skew_makes_some_profiles_hot(zipf: float, profiles: int, share: float) -> None:
    events = Workload(few_profiles(zipf=zipf, profiles=profiles)).events(20_000)
    hottest = Counter(event.key for event in events).most_common(1)[0][1]
    assert hottest / 20_000 == pytest.approx(share, rel=0.1, abs=0.003)


def test_a_shape_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="segments_mapped"):
        Shape(segments=3, segments_mapped=4)
    with pytest.raises(ValueError, match="attributes_mapped"):
        Shape(attributes_mapped=0)
    with pytest.raises(ValueError, match="share_of_changes"):
        Shape(share_of_changes=0.9, share_invalid=0.2)
