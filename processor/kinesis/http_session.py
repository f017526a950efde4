"""aiobotocore's connections, less what calls to Kinesis do not need.

They follow no redirect: a request is signed for one host, and has profiles in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiobotocore.httpsession import AIOHTTPSession

from processor.kinesis.quick_post import QuickPost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

    from processor.kinesis.quick_post import Posted


class StayingSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """For requests of any kind: aiobotocore would send one on to wherever an answer of 307 or 308 says."""

    async def _get_session(self, proxy_url: str | None) -> _Staying:
        # There is no setting for it, neither here nor of the session that aiohttp makes.
        return _Staying(await super()._get_session(proxy_url))


class PostingSession(AIOHTTPSession):  # type: ignore[misc]  # as above
    """For the calls of Kinesis' API, which are all alike: POST, a body that is there, and an answer of some kilobytes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  passed on
        super().__init__(*arguments, **options)
        self._posting: dict[str | None, _Posting] = {}

    async def _get_session(self, proxy_url: str | None) -> _Posting:
        posting = self._posting.get(proxy_url)
        if posting is None:
            session = await super()._get_session(proxy_url)
            posting = self._posting[proxy_url] = _Posting(_Staying(session), QuickPost(session))
        return posting


class _Staying(NamedTuple):
    session: ClientSession

    async def request(self, method: str, *, url: URL, **options: Any) -> ClientResponse:  # noqa: ANN401  passed on
        """As aiohttp's, but for redirects."""
        return await self.session.request(method, url, allow_redirects=False, **options)


class _Posting(NamedTuple):
    staying: _Staying
    quick: QuickPost

    async def request(
        self,
        method: str,
        *,
        url: URL,
        headers: Mapping[str, str],
        data: bytes,
        proxy: str | None,
        **options: Any,  # noqa: ANN401  passed on
    ) -> Posted | ClientResponse:
        """As aiohttp's; by way of a proxy its client asks, which knows what proxies want."""
        if method == "POST" and proxy is None:
            return await self.quick.send(url, headers, data)
        return await self.staying.request(method, url=url, headers=headers, data=data, proxy=proxy, **options)
