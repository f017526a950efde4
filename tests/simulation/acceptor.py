"""Whether what a profile's consumer saw can have come of its events, where configurations change and backfills look again.

Which event is worked on under which configuration is up to chance, so exports are not one sequence but those of an automaton.
Its nodes say how many of the profile's events were taken, which configuration is followed, and what the state says was
exported. It moves by the next event; by another configuration; by a backfill, which takes the event before the next one again;
and, where work was lost and is done again, from any node that it ever was at.
"""

from __future__ import annotations

from collections import defaultdict
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from processor.errors import InvalidEvent
from processor.profile.state_record import decode_record, encode_record, has_departed
from processor.profile.structs import StateRecord
from tests.simulation.configurations import configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.simulation.configurations import Choice


class Event(NamedTuple):
    """What a core is told of an event, but for its place and time."""

    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Node(NamedTuple):
    """`taken` is how many events were; `choice` the place of the configuration; `state` is as `bare` makes it."""

    taken: int
    choice: int
    state: bytes | None


class Unaccepted(Exception):
    """An export that cannot have come of the events."""


class Rules(NamedTuple):
    """What else may have happened in a life."""

    begins_again: bool = False
    """Work was lost, and done again."""
    goes_back: bool = False
    """Also to a configuration that was before: members have other files."""
    is_rejected: Callable[[bytes], bool] = lambda _: False
    """Exports that no consumer ever sees."""


class Accepted(NamedTuple):
    """What may have become of a profile."""

    nodes: set[Node]
    """Where it may be."""
    rejected: dict[bytes, set[int]]
    """Exports that it may have had and no consumer ever sees, and the places of the events that they may have come of."""


def accepted(
    choices: Sequence[Choice],
    events: Sequence[Event],
    observed: Iterable[bytes],
    rules: Rules | None = None,
) -> Accepted:
    """What may have become of a profile once its consumer has seen `observed`, each of which is there once.

    `choices` are the life's configurations, in their order; the profile begins with the first.

    Raises:
        Unaccepted: the first export that cannot have come next.

    """
    automaton = _Automaton(choices, events, rules or Rules())
    automaton.reach([Node(0, 0, None)])
    for place, data in enumerate(observed):
        if not automaton.see(data):
            raise Unaccepted(f"export {place} cannot have come of the events: {data.decode()[:200]}")
    return Accepted(automaton.reached, automaton.rejected)


def ends_of(
    nodes: Iterable[Node], choices: Sequence[Choice], events: Sequence[Event], *, is_in_source: bool
) -> set[Node]:
    """Those of `nodes` that are right at the end: all is taken, under the last configuration, and looked at under it.

    Where the latest event is no longer in the source nobody can look at it again. What came since the last backfill was worked
    on at its own time, and not at the backfill's.
    """
    found = {node for node in nodes if node.taken == len(events) and node.choice == len(choices) - 1}
    if not events or not is_in_source:
        return found
    return {
        node
        for node in found
        if any(step(choices[-1], events[-1], node.state, at) == (None, node.state) for at in At)
    }


def bare(state: bytes | None) -> bytes | None:
    """A state record less what says where it came from: its event, its backfill, the order of its memberships."""
    if state is None or has_departed(state):
        return None
    record = decode_record(state)
    memberships = dict(sorted(record.memberships.items()))
    return encode_record(StateRecord(0, record.attributes, record.identities, memberships))


class At(IntEnum):
    """What `validUntil` is compared with, in ms since the epoch: an event's own time, or about that of a backfill."""

    ITS_TIME = 0
    BACKFILL = 1_750_000_000_000


def step(
    choice: Choice, event: Event, state: bytes | None, at: At = At.ITS_TIME
) -> tuple[bytes | None, bytes | None]:
    """The export of an event under a configuration, and the state after it; an invalid one changes nothing."""
    known = _steps.get((choice, event, state, at))
    if known is None:
        if len(_steps) > _STEPS_MAX:
            _steps.clear()
        known = _steps[choice, event, state, at] = _step(choice, event, state, at)
    return known


_STEPS_MAX = 100_000
_steps: dict[tuple[Choice, Event, bytes | None, At], tuple[bytes | None, bytes | None]] = {}


def _step(choice: Choice, event: Event, state: bytes | None, at: At) -> tuple[bytes | None, bytes | None]:
    try:
        made = configuration(choice).core.apply_again(*event, timestamp_ms=at, offset=0, state=state)
    except InvalidEvent:
        return None, state
    after = state if made.state is None else bare(made.state)
    return None if made.export is None else made.export.data, after


class _Automaton:
    """`reached` are the nodes at which it may be."""

    def __init__(self, choices: Sequence[Choice], events: Sequence[Event], rules: Rules) -> None:
        self.reached: set[Node] = set()
        self.rejected: dict[bytes, set[int]] = defaultdict(set)
        """Exports that nobody sees, and the places of their events."""
        self._choices = choices
        self._events = events
        self._rules = rules
        self._seen: set[bytes] = set()
        self._behind: dict[bytes, set[Node]] = defaultdict(set)
        """Nodes that the automaton comes to once an export is seen."""

    def see(self, data: bytes) -> bool:
        """Go on by an export that is seen for the first time; whether it can have been made."""
        nodes = self._behind.pop(data, None)
        self._seen.add(data)
        if nodes is None:
            return False
        if not self._rules.begins_again:
            self.reached.clear()
            self._behind.clear()
        self.reach(nodes)
        return True

    def reach(self, nodes: Iterable[Node]) -> None:
        """Be at `nodes`, and wherever one comes to from there without a new export."""
        left = [node for node in nodes if node not in self.reached]
        self.reached.update(left)
        while left:
            for made, after in self._moves(left.pop()):
                if made is not None and self._is_news(made):
                    self._behind[made.data].add(after)
                elif after not in self.reached:
                    self.reached.add(after)
                    left.append(after)

    def _is_news(self, made: _Made) -> bool:
        """Whether the consumer sees it, for the first time."""
        if self._rules.is_rejected(made.data):
            self.rejected[made.data].add(made.place)
            return False
        return made.data not in self._seen

    def _moves(self, node: Node) -> Iterator[tuple[_Made | None, Node]]:
        first = 0 if self._rules.goes_back else node.choice + 1
        for choice in range(first, len(self._choices)):
            yield None, node._replace(choice=choice)
        if node.taken < len(self._events):
            made, state = self._made(node, node.taken, At.ITS_TIME)
            yield made, Node(node.taken + 1, node.choice, state)
        if node.taken:
            made, state = self._made(node, node.taken - 1, At.BACKFILL)
            yield made, node._replace(state=state)

    def _made(self, node: Node, place: int, at: At) -> tuple[_Made | None, bytes | None]:
        data, state = step(self._choices[node.choice], self._events[place], node.state, at)
        return (None if data is None else _Made(data, place)), state


class _Made(NamedTuple):
    """An export, and the place of the event that it comes of."""

    data: bytes
    place: int
