"""What is met on the way between documents and files: problems, and what the other side has no member for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processor.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Members without a counterpart: `place` is a JSON pointer, or a dotted path in one of our files."""

    source: str
    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.source}: {self.place or '/'}: {self.why}"


@dataclass(slots=True)
class Findings:
    """Collected as they are met, each kind in its order.

    `left_out` may change what is exported; `set_aside` cannot: it is bookkeeping, or holds by itself here.
    """

    problems: list[Problem] = field(default_factory=list)
    left_out: list[Unmatched] = field(default_factory=list)
    set_aside: list[Unmatched] = field(default_factory=list)

    def complain(self, source: str, place: str, message: str, remedy: str, line: int | None = None) -> None:
        """Note something that is wrong at a place of a document."""
        self.problems.append(Problem(source, line, place or "(the file)", message, remedy))

    def leave_out(self, source: str, place: str, why: str) -> None:
        """Note something that has no counterpart and may matter."""
        self.left_out.append(Unmatched(source, place, why))

    def put_aside(self, source: str, place: str, why: str) -> None:
        """Note something that has no counterpart and cannot matter."""
        self.set_aside.append(Unmatched(source, place, why))


def pointer(*steps: str | int) -> str:
    """The steps as a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def listed(names: Sequence[str]) -> str:
    """Names as prose: `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
