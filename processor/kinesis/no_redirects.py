"""Connections that follow no redirect: a request is signed for one host, and has profiles in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiobotocore.httpsession import AIOHTTPSession

if TYPE_CHECKING:
    from collections.abc import Awaitable


class StayingSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """aiobotocore's connections, which would send a request on to wherever an answer of 307 or 308 says."""

    async def _get_session(self, proxy_url: str | None) -> _Staying:
        # There is no setting for it, neither here nor of the session that aiohttp makes.
        return _Staying(await super()._get_session(proxy_url))


class _Staying(NamedTuple):
    session: Any

    def request(self, *arguments: object, **options: object) -> Awaitable[Any]:
        """As aiohttp's, but for redirects."""
        answer: Awaitable[Any] = self.session.request(*arguments, allow_redirects=False, **options)
        return answer
