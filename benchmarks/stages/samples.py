"""Events of the reference workload in the forms in which stages meet them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.workload import REFERENCE, Event, Workload, destination_text
from processor.configuration import parse_configuration
from processor.governance.plan import compile_plan
from processor.profile.core import Core

if TYPE_CHECKING:
    from processor.governance.plan import Plan
    from processor.profile.structs import Export
    from processor.profile.transition import Transition

BATCH = 500
_SHAPE = replace(REFERENCE, profiles=3000)
_EVENTS = 12_000


class Sample(NamedTuple):
    """An event, the state record of its profile before it, and what came of it."""

    event: Event
    before: bytes | None
    after: bytes | None
    export: Export | None


@cache
def plan() -> Plan:
    """The reference workload's."""
    text = destination_text(_SHAPE, "http://127.0.0.1:1")
    return compile_plan(*parse_configuration((text, "destination.yaml"), None, {}))


@cache
def samples() -> list[Sample]:
    """Events of profiles that have lived for a while."""
    workload, core = Workload(_SHAPE), Core(plan())
    states: dict[bytes, bytes] = {}
    found: list[Sample] = []
    events = [*workload.births(), *workload.events(_EVENTS)]
    for offset, event in enumerate(events):
        before = states.get(event.key)
        transition = applied(core, event, before, offset)
        if transition.state is not None:
            states[event.key] = transition.state
        if offset > len(events) - 8 * BATCH:
            found.append(Sample(event, before, transition.state, transition.export))
    return found


def changed(count: int) -> list[Sample]:
    """Some that are exported."""
    return [sample for sample in samples() if sample.export is not None][:count]


def unchanged(count: int) -> list[Sample]:
    """Some that change nothing, not even a time."""
    return [sample for sample in samples() if sample.before is not None and sample.after is None][:count]


def applied(core: Core, event: Event, state: bytes | None, offset: int) -> Transition:
    """An event through the core."""
    return core.apply(event.key, event.value, (), timestamp_ms=event.timestamp_ms, offset=offset, state=state)
