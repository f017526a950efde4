"""What a failing life does not need: events, faults and changes are left out for as long as it still fails."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from tests.simulation.changes import planned_changes
from tests.simulation.faults import planned
from tests.simulation.workload import EVENTS
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.simulation.changes import Change
    from tests.simulation.faults import Fault

LIVES_MAX: Final = 600
"""How many lives shrinking may take: less than a minute's worth, of most."""

_CHANCES: Final = 3


class Life(NamedTuple):
    """What makes a life: `World(*life)`. `places` are those of its events among the seed's."""

    seed: int
    places: Sequence[int]
    faults: Sequence[Fault]
    changes: Sequence[Change] = ()
    chance: int = 0

    @classmethod
    def of(cls, seed: int) -> Life:
        """The whole life of a seed."""
        return cls(seed, range(EVENTS), planned(seed), planned_changes(seed))


def failure(life: int | Life) -> str | None:
    """What was wrong in a life, or in the life of a seed; None where nothing was."""
    try:
        World(*life if isinstance(life, Life) else (life,)).run()
    except Exception as error:  # noqa: BLE001  whatever it is, it is what this looks for
        return f"{type(error).__name__}: {error}"
    return None


def kind_of(wrong: str | None) -> str | None:
    """What failures of one cause share."""
    return wrong and wrong.partition(":")[0]


def fails_as(wrong: str) -> Callable[[Life], bool]:
    """Whether a life fails in the same way."""
    return lambda life: kind_of(failure(life)) == kind_of(wrong)


def shrunk(life: Life, fails: Callable[[Life], bool], lives_max: int = LIVES_MAX) -> Life:
    """A life that still `fails`, with as few events, faults and changes as can be found.

    With other events the same chance makes another life, so a few chances are tried. The same for the same life,
    always. Ends early, with what it has, after `lives_max` lives.
    """
    tries = iter(range(lives_max))

    def failing(candidate: Life) -> Life | None:
        for chance in dict.fromkeys([candidate.chance, *range(_CHANCES)]):
            if next(tries, None) is None:
                return None
            other = candidate._replace(chance=chance)
            if fails(other):
                return other
        return None

    while True:
        fewer = life
        for what in _PARTS:
            fewer = _fewer(what, fewer, failing)
        if _sizes(fewer) == _sizes(life):
            return fewer
        life = fewer


_Part: TypeAlias = Literal["places", "faults", "changes"]
_PARTS: Final[tuple[_Part, ...]] = "changes", "faults", "places"


def _sizes(life: Life) -> tuple[int, int, int]:
    return len(life.places), len(life.faults), len(life.changes)


def _fewer(what: _Part, life: Life, failing: Callable[[Life], Life | None]) -> Life:
    """Leave out all of them, halves, quarters, and so on, down to single ones."""
    for size in _halves(len(getattr(life, what))):
        at = 0
        while at < len(items := getattr(life, what)):
            fewer = [*items[:at], *items[at + size :]]
            found = failing(life._replace(**{what: fewer}))  # type: ignore[arg-type]  # one of the sequences
            life, at = (life, at + size) if found is None else (found, at)
    return life


def _halves(count: int) -> Iterator[int]:
    return itertools.takewhile(bool, (count >> halvings for halvings in itertools.count()))
