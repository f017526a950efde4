"""Calls that look at more than the definition: so many of each at once, and none for longer than its bounds say."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs

from processor.api.errors import ApiError
from processor.api.limits import too_many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.api.request import Answer, Request
    from processor.api.routes import Look
    from processor.api.tokens import Bearer

_AGAIN_S: Final = "5"


class Looks:
    """Those that are under way, by the call. One whose asker has left is ended: it keeps nothing."""

    def __init__(self) -> None:
        self._under_way: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def counted(self, route: Look) -> Iterator[None]:
        """Take a place among those of this call that may be under way at once, until the block ends.

        Raises:
            ApiError: there is none left (429).

        """
        key = route.call.method, route.call.path
        if self._under_way[key] >= route.bounds.at_once:
            raise too_many("calls of this kind", self._under_way[key])
        self._under_way[key] += 1
        try:
            yield
        finally:
            self._under_way[key] -= 1


async def looked(route: Look, request: Request, bearer: Bearer) -> Answer:
    """What the call answers within its time.

    Raises:
        ApiError: it refuses, or takes longer (503).

    """
    within_s = route.bounds.within_s
    try:
        async with asyncio.timeout(within_s):
            return await route.handle(request, bearer)
    except TimeoutError:
        raise ApiError(
            503,
            "Service Unavailable",
            f"what this call looks at has not answered within {within_s:g} s; nothing was changed: try again",
            headers={hdrs.RETRY_AFTER: _AGAIN_S},
        ) from None
