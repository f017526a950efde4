"""A backfill: each profile's latest event, once more, under another plan than the one its state was made under."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from processor.governance.plan import compile_plan
from processor.profile.core import Core
from processor.profile.state_record import record_offset
from tests.support.changed_plans import assert_same_state, given_event, other_plans, plan
from tests.support.core_with_state import CoreWithState, assert_same
from tests.support.naive_model import NaiveModel
from tests.support.strategies import AROUND_UNTIL_MS, Given, destinations, events, governances

if TYPE_CHECKING:
    from processor.governance.destination import Destination
    from processor.governance.document import Governance

Change = tuple[tuple["Destination", "Governance"], tuple["Destination", "Governance"], list[Given], int]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """A plan, the events under it, the plan after it, and when the backfill begins."""
    former = (draw(destinations()), draw(governances()))
    its_events = draw(st.lists(events(), min_size=1, max_size=8))
    return former, draw(other_plans(former)), its_events, draw(st.sampled_from(AROUND_UNTIL_MS))


def backfilled(change: Change) -> Counter[str]:
    """Have core and model follow the change; what the backfill came to."""
    former, new, its_events, at_ms = change
    core, model = CoreWithState(*former), NaiveModel(*former)
    latest: dict[bytes | None, Given] = {}
    for event in its_events:
        assert_same(
            event, model.apply(event.key, event.value, event.headers, event.timestamp_ms), core.apply(event)
        )
        latest[event.key] = event
    core.core = Core(compile_plan(*new))
    model.destination, model.governance = new
    met = Counter[str]()
    for event in latest.values():
        expected = model.apply(event.key, event.value, event.headers, at_ms)
        answer = core.apply_again(event, at_ms)
        assert_same(event, expected, answer)
        met["refused" if answer[0] else "silent" if answer[2] is None else "exported"] += 1
        if answer[0] is None:
            assert_same_state(event, model, core)
    for event in latest.values():
        assert core.apply_again(event, at_ms)[2] is None, "a second look exports nothing"
    return met


@settings(max_examples=max(25, settings().max_examples // 4))  # one is a whole life
@given(changes())
def test_core_and_naive_model_agree_on_what_a_backfill_exports_and_a_second_one_exports_nothing(
    change: Change,
) -> None:
    backfilled(change)


def test_random_changes_meet_profiles_that_are_exported_silent_and_invalid() -> None:
    met = Counter[str]()

    @settings(max_examples=120, phases=[Phase.generate], database=None, derandomize=True)
    @given(changes())
    def meet(change: Change) -> None:
        met.update(backfilled(change))

    meet()
    assert min(met["exported"], met["silent"], met["refused"]) > 10, met


@pytest.mark.parametrize("offset", [0, 1, 7])
def test_an_event_that_the_state_reflects_is_looked_at_whatever_offset_it_bears(offset: int) -> None:
    event, former = given_event(a=1), plan([("ups", "s1")])
    state = (
        Core(compile_plan(former))
        .apply(event.key, event.value, (), timestamp_ms=0, offset=offset, state=None)
        .state
    )
    again = Core(
        compile_plan(replace(former, segments=plan([("ups", "s1"), ("crm", "s1")]).segments))
    ).apply_again(event.key, event.value, (), timestamp_ms=0, offset=offset, state=state)
    assert again.export is not None
    assert again.state is not None
    assert record_offset(again.state) == offset
