"""The compiled core makes the same of every event as the plain one, to the byte, or hands it on; and of ordinary life it hands on nothing."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.workload import Shape, Workload, destination_text
from processor.configuration import parse_configuration
from processor.governance.document import Governance
from processor.governance.plan import compile_plan
from processor.native import native
from processor.profile.batch import Again, Limits
from processor.profile.core import Core
from tests.profile import test_any_event as any_event
from tests.profile import test_vectors as vectors
from tests.simulation.varied_events import varied_events
from tests.support.compared_cores import ComparedCores, Record
from tests.support.failing_core import ONE_SEGMENT
from tests.support.native_events import MUTATED, PLANS, altered
from tests.support.strategies import Given, destinations, governances, streams

if TYPE_CHECKING:
    from pathlib import Path

    from processor.governance.destination import Destination
    from processor.governance.plan import Plan

pytestmark = pytest.mark.skipif(
    native is None, reason="this build has no compiled core: `make test-compiled` tests the one that has"
)
ANY_PLANS = [
    compile_plan(any_event.DESTINATION),
    compile_plan(any_event.DESTINATION, any_event.GOVERNANCE),
    compile_plan(any_event.DESTINATION, Governance(consent_policies=(any_event.CONSENT,))),
]


def records_of(events: list[Given], first: int = 0) -> list[Record]:
    return [
        Record(first + number, event.key, event.value, event.headers, event.timestamp_ms)
        for number, event in enumerate(events)
    ]


# --- The same of everything ---


@given(st.sampled_from(ANY_PLANS), st.lists(any_event.records, min_size=1, max_size=6))
def test_whatever_stands_in_an_event_both_make_the_same_of_it(
    plan: Plan, parts: list[tuple[Any, ...]]
) -> None:
    cores = ComparedCores(plan)
    records = [Record(number, *part) for number, part in enumerate(parts)]
    cores.take(records)
    for record in records:
        cores.take_one(record._replace(offset=record.offset + 100))
    cores.take([record._replace(offset=record.offset + 3) for record in records], number=7)


@given(destinations(), governances(), streams(), destinations(), governances(), st.integers(1, 4))
def test_under_any_configuration_and_after_any_change_of_it_both_make_the_same(
    destination: Destination,
    governance: Governance,
    stream: list[Given],
    later_destination: Destination,
    later_governance: Governance,
    at_once: int,
) -> None:
    cores = ComparedCores(compile_plan(destination, governance))
    for first in range(0, len(stream), at_once):
        cores.take(records_of(stream[first : first + at_once], first))
    later = ComparedCores(compile_plan(later_destination, later_governance))
    later.states = cores.states
    latest = {event.key: event for event in stream if event.key is not None}
    later.take_again(records_of([*latest.values()]), Again(3, 1_000, 1_590_451_200_000))
    later.take(records_of(stream, 2_000), number=3)


@given(st.sampled_from(sorted(PLANS)), st.sampled_from(MUTATED), st.randoms(use_true_random=False))
def test_an_event_with_some_of_its_bytes_changed_is_taken_alike(
    name: str, value: bytes, rng: random.Random
) -> None:
    cores = ComparedCores(PLANS[name])
    cores.take([Record(0, b"p", value)])
    cores.take([Record(number, b"p", altered(rng, value)) for number in range(1, 20)])


@given(st.randoms(use_true_random=False), st.sampled_from(sorted(PLANS)))
def test_a_changed_state_record_is_taken_alike(rng: random.Random, name: str) -> None:
    cores = ComparedCores(PLANS[name])
    value = rng.choice(MUTATED)
    cores.take([Record(0, b"p", value)], number=rng.choice([0, 1, 1_000_000]))
    state = cores.states.get(b"p")
    if state is None:
        return
    for offset in range(1, 20):
        cores.states[b"p"] = altered(rng, state)
        cores.take_one(Record(offset, b"p", value))


@given(st.integers(0, 400), st.integers(0, 200))
def test_what_an_end_does_not_take_is_refused_by_either_in_the_same_words(
    export_bytes: int, state_bytes: int
) -> None:
    cores = ComparedCores(compile_plan(ONE_SEGMENT))
    values = [f'{{"a":"{"x" * size}",{any_event.MEMBER}}}'.encode() for size in (1, 100, 200, 1)]
    records = [Record(number, b"p", value) for number, value in enumerate(values)]
    cores.take(records, Limits(export_bytes, state_bytes))
    cores.take_again(records[:1], Again(1, 9, 0), Limits(export_bytes, state_bytes))


def test_what_is_handed_on_amid_a_batch_is_taken_in_its_turn() -> None:
    cores = ComparedCores(compile_plan(ONE_SEGMENT))
    member = f'{{"a":1,{any_event.MEMBER}}}'.encode()
    other = f'{{"a":2,{any_event.MEMBER}}}'.encode()
    values = [member, None, other, b"{", b"[]", other, member, None, None, member]
    keys = [b"p", b"p", b"p", b"p", b"q", b"q", b"q", b"p", b"q", b"p"]
    records = [
        Record(number, key, value) for number, (key, value) in enumerate(zip(keys, values, strict=True))
    ]
    batch = cores.take(records)
    assert [record.offset for record in batch.exported] == [0, 1, 2, 5, 6, 7, 8, 9]
    assert list(batch.changes) == [b"q", b"p"]
    assert cores.counts == (5, 5, 0)


@pytest.mark.parametrize("timestamp", [None, 1 << 63, -(1 << 63) - 1])
def test_what_has_no_time_changes_the_profile_that_others_of_the_batch_are_of(timestamp: Any) -> None:
    # A record of Kafka's format 0 has none.
    cores = ComparedCores(compile_plan(ONE_SEGMENT))
    member = f'{{"a":1,{any_event.MEMBER}}}'.encode()
    records = [Record(number, b"p", member) for number in range(3)]
    batch = cores.take([records[0]._replace(timestamp=timestamp), *records[1:]])
    assert [record.offset for record in batch.exported] == [0]
    assert cores.counts == (2, 1, 0)


def test_more_sets_of_labels_than_are_remembered_are_taken_alike() -> None:
    cores = ComparedCores(PLANS["labels"])
    values = [MUTATED[0], MUTATED[2]]
    for first in range(0, 6_000, 1_000):
        cores.take(
            [
                Record(number, b"p", values[number % 2], (("duleLabels", b"C2,x%d" % number),))
                for number in range(first, first + 1_000)
            ]
        )
    assert cores.counts.handed_on == 0


def test_each_of_a_varied_life_is_taken_alike() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        events = varied_events(rng, 300, 24)
        cores = ComparedCores(PLANS[rng.choice(sorted(PLANS))])
        for first in range(0, 300, 50):
            records = [Record(first + n, *event) for n, event in enumerate(events[first : first + 50])]
            cores.take(records)


# --- Nothing of ordinary life is handed on ---


def taken_without_handing_on(plan: Plan, events: list[tuple[Any, ...]]) -> ComparedCores:
    cores = ComparedCores(plan)
    cores.take([Record(number, *event) for number, event in enumerate(events)])
    assert cores.counts == (len(events), 0, 0)
    return cores


def test_the_reference_workload_is_the_compiled_cores() -> None:
    shape = Shape(profiles=200)
    plan = compile_plan(*parse_configuration((destination_text(shape, "http://k"), "d.yaml"), None, {}))
    workload = Workload(shape)
    events = [*workload.births(), *workload.events(2_000)]
    cores = taken_without_handing_on(
        plan, [(event.key, event.value, (), event.timestamp_ms) for event in events]
    )
    latest = {event.key: event for event in events}
    records = [Record(0, key, event.value) for key, event in latest.items()]
    cores.take_again(records, Again(1, 10_000, 0))
    assert cores.counts.handed_on == 0


@pytest.mark.parametrize("path", vectors.VECTORS, ids=lambda path: path.stem)
def test_what_the_vectors_show_is_the_compiled_cores(path: Path) -> None:
    case = vectors.load(path)
    plan_core = vectors.core_for(case)
    refused = {letter["event"] for letter in case["deadLetters"]}
    state: dict[bytes, bytes | None] = {}
    for index, event in enumerate(case["events"]):
        value = vectors.value_of(event)
        if value is None or index in refused:
            continue
        key = event["key"].encode()
        headers = [(name, text.encode()) for name, text in event.get("headers", {}).items()]
        transition = plan_core.apply(
            key, value, headers, timestamp_ms=event["timestamp"], offset=index, state=state.get(key)
        )
        state[key] = transition.state or state.get(key)
    assert plan_core.compiled is not None
    assert plan_core.compiled.counts.handed_on == 0


@pytest.mark.parametrize("name", sorted(PLANS))
@pytest.mark.parametrize("value", MUTATED, ids=range(len(MUTATED)))
def test_life_as_it_is_is_the_compiled_cores(name: str, value: bytes) -> None:
    tree = json.loads(value)
    texts = [
        value,
        json.dumps(tree, indent=2).encode(),
        json.dumps(tree, indent="\t", ensure_ascii=False).replace("\n", "\r\n").encode(),
        json.dumps(tree, separators=(",", ":")).encode(),
    ]
    labels = [
        (),
        (("traceparent", b"\xff"),),
        (("duleLabels", b"C2"),),
        (("duleLabels", b"I1"), ("duleLabels", b" C5")),
    ]
    events = [(b"p", text, headers, 1_590_000_000_000) for text in texts for headers in labels]
    taken_without_handing_on(PLANS[name], [*events, ("ü".encode(), value)])


def test_a_plan_of_its_kind_is_the_compiled_cores() -> None:
    for name, plan in PLANS.items():
        assert Core(plan).compiled is not None, name


def test_two_threads_may_work_with_one_core() -> None:
    plan = PLANS["plain"]
    cores = [ComparedCores(plan) for _ in range(2)]
    cores[1].compiled = cores[0].compiled

    def life(cores: ComparedCores) -> None:
        for offset in range(0, 4_000, 20):
            cores.take([Record(offset + n, b"p%d" % n, MUTATED[n % len(MUTATED)]) for n in range(20)])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(life, cores))
