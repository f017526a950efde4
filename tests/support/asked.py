"""The calls of a table, asked of a definition that is kept by the test itself: no HTTP, no Kafka."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from processor.api.matching import Table
from processor.api.request import Occasion, Request
from processor.api.routes import Change, Read
from processor.definition.model import Definition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from processor.api.request import Answer
    from processor.api.routes import Route


class Asked:
    """Each change is of the next second, and each id the next number."""

    def __init__(self, routes: Sequence[Route], prefix: str, definition: Definition | None = None) -> None:
        self.definition = definition or Definition()
        self._table = Table(routes)
        self._prefix = prefix
        self._ids = count(1)
        self._seconds = count(1)

    def __call__(self, method: str, path: str, body: Any = None, *, if_match: str | None = None) -> Answer:
        """The answer to a call.

        Raises:
            ApiError: it is refused; nothing has changed.

        """
        parts = urlsplit(self._prefix + path)
        match = self._table.find(parts.path)
        assert match is not None, path
        query = {name: tuple(values) for name, values in parse_qs(parts.query).items()}
        request = Request(match.parts, query, body, if_match)
        route = match.by_method[method]
        if isinstance(route, Read):
            return route.handle(self.definition, request)
        assert isinstance(route, Change), path
        occasion = Occasion(next(self._seconds) * 1000, "token 1234", lambda: f"id-{next(self._ids)}")
        self.definition, answer = route.handle(self.definition, request, occasion)
        return answer
