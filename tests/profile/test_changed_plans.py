"""State made under one plan, followed under another: the core and the naive model, side by side."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import Governance
from processor.governance.plan import compile_plan
from processor.profile.core import Core
from processor.profile.state_record import decode_record, has_departed
from tests.support.changed_plans import Plan, assert_same_state, given_event, other_plans, plan
from tests.support.core_with_state import CoreWithState, assert_same
from tests.support.naive_model import NaiveModel
from tests.support.strategies import SEGMENTS, Given, destinations, events, governances

Phases = list[tuple[Plan, list[Given]]]


@st.composite
def lives(draw: st.DrawFn) -> Phases:
    """Two or three plans, and the events that come under each; some come again under the next."""
    plan: Plan = (draw(destinations()), draw(governances()))
    few = st.lists(events(), min_size=1, max_size=4)
    phases: Phases = [(plan, draw(few))]
    for _ in range(draw(st.integers(1, 2))):
        plan = draw(other_plans(plan))
        former = phases[-1][1]
        again = draw(st.lists(st.sampled_from(former), max_size=4))
        phases.append((plan, [*again, *draw(few)]))
    return phases


def follow(phases: Phases) -> Counter[str]:
    """Have both work on all of it; what the changes came to."""
    (destination, governance), _ = phases[0]
    core, model = CoreWithState(destination, governance), NaiveModel(destination, governance)
    met = Counter[str]()
    for number, ((destination, governance), its_events) in enumerate(phases):
        core.core = Core(compile_plan(destination, governance))
        model.destination, model.governance = destination, governance
        for event in its_events:
            told = model.apply(event.key, event.value, event.headers, event.timestamp_ms)
            before = core.states.get(event.key or b"")
            answer = core.apply(event)
            assert_same(event, told, answer)
            if told.reason is None:
                assert_same_state(event, model, core)
                if number and answer[2] is None and before is not None:
                    after = core.states[event.key or b""]
                    met[
                        "left in silence" if has_departed(after) and not has_departed(before) else "unchanged"
                    ] += 1
    return met


@settings(max_examples=max(25, settings().max_examples // 2))  # one is a whole life
@given(lives())
def test_core_and_naive_model_agree_over_changes_of_the_plan(phases: Phases) -> None:
    follow(phases)


def test_random_changes_meet_profiles_that_leave_in_silence_and_some_that_do_not_change() -> None:
    met = Counter[str]()

    @settings(max_examples=80, phases=[Phase.generate], database=None, derandomize=True)
    @given(lives())
    def meet(phases: Phases) -> None:
        met.update(follow(phases))

    meet()
    assert met["left in silence"] > 2, met
    assert met["unchanged"] > 5, met


def test_an_attribute_that_is_not_mapped_any_more_is_no_change() -> None:
    core = CoreWithState(plan(SEGMENTS[:1], "a", "b"), Governance())
    assert core.apply(given_event(a=1, b=2))[2] is not None
    core.core = Core(compile_plan(plan(SEGMENTS[:1], "a")))
    assert core.apply(given_event(a=1, b=2)) == (None, None, None)
    assert core.apply(given_event(a=1, b=3)) == (None, None, None)
    assert core.apply(given_event(a=2, b=3))[2] is not None


def test_an_attribute_that_is_newly_mapped_is_a_change() -> None:
    core = CoreWithState(plan(SEGMENTS[:1], "a"), Governance())
    assert core.apply(given_event(a=1, b=2))[2] is not None
    core.core = Core(compile_plan(plan(SEGMENTS[:1], "b", "a")))
    assert core.apply(given_event(a=1, b=2))[2] is not None
    assert core.apply(given_event(a=1, b=2)) == (None, None, None)


def test_a_profile_that_is_only_in_segments_that_are_not_mapped_any_more_is_forgotten() -> None:
    core = CoreWithState(plan([("ups", "s1")]), Governance())
    assert core.apply(given_event())[2] is not None
    core.core = Core(compile_plan(plan([("ups", "s2")])))
    assert core.apply(given_event()) == (None, None, None)
    assert has_departed(core.states[b"p1"])
    assert decode_record(core.states[b"p1"]).offset == core.offset


@pytest.mark.parametrize(
    ("mapped", "changed"),
    [
        ("abc", ""),
        ("cba", ""),
        ("acb", ""),
        ("bca", ""),
        ("ab", ""),
        ("bc", ""),
        ("ca", ""),
        ("a", ""),
        ("c", ""),
        ("", ""),
        ("abc", "a"),
        ("cba", "c"),
        ("ab", "b"),
        ("bc", "b"),
        ("c", "c"),
        ("abcd", "d"),
        ("d", "d"),
        ("dab", "d"),
        ("abd", "d"),
    ],
)
def test_attributes_that_are_mapped_in_another_order_or_no_longer_are_no_change(
    mapped: str, changed: str
) -> None:
    """Of a profile with the attributes a, b and c; d is new, and every other letter that changed has another value."""
    before = core_of("abc").apply(b"p", profile({}), (), timestamp_ms=0, offset=0, state=None)
    after = core_of(mapped).apply(
        b"p", profile(dict.fromkeys(changed, "new")), (), timestamp_ms=0, offset=1, state=before.state
    )
    assert (after.export is not None) == bool(changed)


def core_of(attributes: str) -> Core:
    destination = Destination(
        "d", Connection("eu-west-1"), "s", (), (Segment("ups", "s1"),), tuple(attributes)
    )
    return Core(compile_plan(destination, Governance()))


def profile(changes: dict[str, str]) -> bytes:
    entry = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
    return json.dumps(
        {"a": 1, "b": 2, "c": 3, "segmentMembership": {"ups": {"s1": entry}}, **changes}
    ).encode()
