"""A request and its answer as values, and what answers one: pure functions of a definition, that do no I/O, and those that look.

A function that reads is given the definition and the request. One that changes makes a new definition from the one it is
given, and may be called again with a newer one where somebody else's change came first: it decides by what it is given alone.
One that looks is given the request and its bearer, and awaits what it looks at. Each raises `ApiError` to refuse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from processor.api.errors import no_if_match, other_version
from processor.definition.model import Definition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.api.tokens import Bearer
    from processor.definition.model import Resource
    from processor.flow_service.documents import Json


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request its answer depends on.

    `parts` are the variable parts of the path, decoded, under the names that the route gives them; `query` has all values of
    each parameter in their order. `body` is the JSON value, None where there is no body or it is `null` (which no object is).
    """

    parts: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    body: Json = field(default=None, repr=False)
    if_match: str | None = None

    def require_match(self, current: Resource) -> None:
        """Refuse the request unless it names this version of the object (or `*`, any) in If-Match.

        Raises:
            ApiError: it names none (400), or another (412).

        """
        if self.if_match is None:
            raise no_if_match()
        self.check_match(current)

    def check_match(self, current: Resource) -> None:
        """Refuse the request if it names another version of the object in If-Match; it need not name one.

        Raises:
            ApiError: it names another (412).

        """
        if self.if_match is None:
            return
        # Scripts pass on the member `etag`, quoted as it is, put quotes around it, or take its own for their shell's.
        given = {each.strip().strip('"') for each in self.if_match.split(",")}
        if given.isdisjoint({"*", current.etag.strip('"')}):
            raise other_version(current.etag)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered. `body` None is an empty one; `location` is the path of what was made."""

    status: int = 200
    body: Json = field(default=None, repr=False)
    etag: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Occasion:
    """When, by whom, and under which new names a change is made.

    `new_id` returns another id each time it is asked; `new_etag` another etag, quoted. `by` is a token's name.
    """

    now_ms: int
    by: str
    new_id: Callable[[], str]

    def new_etag(self) -> str:
        """An etag that no object had before, with its quotes."""
        return f'"{self.new_id()}"'


Reading: TypeAlias = Callable[[Definition, Request], Answer]
Changing: TypeAlias = Callable[[Definition, Request, Occasion], tuple[Definition, Answer]]
"""The new definition has the version of the one given: who keeps it counts. The same one is that nothing is to be kept."""
Looking: TypeAlias = "Callable[[Request, Bearer], Awaitable[Answer]]"
