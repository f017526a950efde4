"""Where what is written into our files was read, so that what our loader refuses is told at its place there."""

from __future__ import annotations

from dataclasses import dataclass, field

from processor.errors import Problem


@dataclass(slots=True)
class Origins:
    """Members of one of our files (`segments[1]`), each with the document and the JSON pointer that it is from."""

    places: dict[str, tuple[str, str]] = field(default_factory=dict)

    def note(self, member: str, source: str, place: str) -> None:
        """Note where `member` is from."""
        self.places[member] = source, place

    def traced(self, problem: Problem) -> Problem:
        """The problem, told of the document that its member, or the nearest one around it, is from."""
        member = problem.member
        while member not in self.places:
            cut = max(member.rfind("."), member.rfind("["))
            if not member:
                return Problem(problem.source, None, problem.member, problem.message, problem.remedy)
            member = member[: max(cut, 0)]
        source, place = self.places[member]
        within = problem.member[len(member) :].replace("[", "/").replace("]", "").replace(".", "/")
        return Problem(source, None, (place + within) or "/", problem.message, problem.remedy)
