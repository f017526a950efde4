"""Finds a call in the table by what a request asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from processor.api.routes import Route


class Match(NamedTuple):
    """A path's calls by their methods, and its variable parts."""

    by_method: Mapping[str, Route]
    parts: Mapping[str, str]

    @property
    def allowed(self) -> str:
        """The header Allow: what may be asked of this path."""
        methods = {*self.by_method, "OPTIONS", *(["HEAD"] if "GET" in self.by_method else [])}
        return ", ".join(sorted(methods))


class Table:
    """The calls by path and method. A part that is spelled out goes before one that stands for any.

    Raises:
        ValueError: two calls have the same method and path.

    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._calls: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes:
            by_method = self._calls.setdefault(_steps(route.call.path), {})
            if route.call.method in by_method:
                raise ValueError(f"{route.call.method} {route.call.path} is in the table already")
            by_method[route.call.method] = route
        # More of what is spelled out first, from the left.
        self._shapes = sorted(self._calls, key=lambda steps: [step.startswith("{") for step in steps])

    def find(self, raw_path: str) -> Match | None:
        """The calls of a path as it came, percent-encoded still: a `%2F` parts nothing. None where there is none."""
        given = _steps(raw_path)
        for shape in self._shapes:
            if len(shape) == len(given) and all(
                step.startswith("{") or step == part for step, part in zip(shape, given, strict=True)
            ):
                named = {
                    step[1:-1]: unquote(part, errors="surrogateescape")
                    for step, part in zip(shape, given, strict=True)
                    if step.startswith("{")
                }
                # An id is never empty, nor half a character: neither is an object's.
                if all(text and _is_text(text) for text in named.values()):
                    return Match(self._calls[shape], named)
        return None


def _steps(path: str) -> tuple[str, ...]:
    # Clients put a slash behind a collection's name, or do not.
    return tuple(path.removesuffix("/").split("/"))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
