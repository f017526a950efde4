"""Calls of the Flow Service on a definition, as the edge makes them of HTTP, for tests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from processor.api.errors import ApiError
from processor.api.flow_service.table import flow_service_routes
from processor.api.matching import Table
from processor.api.request import Answer, Occasion, Request
from processor.api.routes import Change, Read
from processor.definition.model import Definition
from processor.definition.sealing import Sealing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.flow_service.documents import Json

SERVICE = "/data/foundation/flowservice"
SEALING_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@dataclass
class Calls:
    """A definition that calls change, one after the other; ids are `id-1`, `id-2`, and so on, and the clock is set by tests."""

    definition: Definition = field(default_factory=Definition)
    sealing: Sealing = field(default_factory=lambda: Sealing([SEALING_KEY]))
    now_ms: int = 1_700_000_000_000
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, path: str, body: Json = None, if_match: str | None = None) -> Answer:
        """Call it, and keep what it makes; raises `ApiError` where it is refused, with nothing changed."""
        url = urlsplit(path)
        match = Table(flow_service_routes(lambda: self.sealing)).find(SERVICE + url.path)
        assert match is not None, path
        route = match.by_method[method]
        query = {name: tuple(values) for name, values in parse_qs(url.query).items()}
        request = Request(match.parts, query, body, if_match)
        if isinstance(route, Read):
            return route.handle(self.definition, request)
        assert isinstance(route, Change), path
        occasion = Occasion(self.now_ms, "tester", lambda: f"id-{next(self._ids)}")
        made, answer = route.handle(self.definition, request, occasion)
        if made is not self.definition:
            self.definition = replace(made, version=self.definition.version + 1)
        assert answer.status == route.call.status
        return answer

    def refused(self, method: str, path: str, body: Json = None, if_match: str | None = None) -> ApiError:
        """Call it, which is refused, and changes nothing."""
        before = self.definition
        try:
            answer = self.call(method, path, body, if_match)
        except ApiError as error:
            assert self.definition is before
            return error
        raise AssertionError(f"it was not refused: {answer}")

    def made(self, path: str, body: Json) -> tuple[str, str]:
        """`POST`, and return id and etag."""
        answer = self.call("POST", path, body)
        assert isinstance(answer.body, dict)
        assert answer.body["etag"] == answer.etag
        return str(answer.body["id"]), str(answer.etag)

    def shown(self, path: str) -> dict[str, Json]:
        """`GET` of one."""
        body = self.call("GET", path).body
        assert isinstance(body, dict)
        (item,) = body["items"] if isinstance(body["items"], list) else []
        assert isinstance(item, dict)
        return item
