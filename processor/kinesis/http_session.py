"""aiobotocore's connections, less what calls to Kinesis do not need.

They follow no redirect: a request is signed for one host, and has profiles in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from aiobotocore.httpsession import AIOHTTPSession
from yarl import URL

from processor.kinesis.answer_protocol import Posted
from processor.kinesis.quick_post import QuickPost

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from botocore.awsrequest import AWSPreparedRequest


class StayingSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """For requests of any kind: aiobotocore would send one on to wherever an answer of 307 or 308 says."""

    async def _get_session(self, proxy_url: str | None) -> _Staying:
        # There is no setting for it, neither here nor of the session that aiohttp makes.
        return _Staying(await super()._get_session(proxy_url))


class PostingSession(AIOHTTPSession):  # type: ignore[misc]  # as above
    """For the calls of Kinesis' API, which are all alike: POST, a body that is there, and an answer of some kilobytes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  passed on
        super().__init__(*arguments, **options)
        self._ways: dict[str, _Way] = {}

    async def post(self, request: AWSPreparedRequest) -> Posted:
        """Send a signed request, and return its answer.

        What aiobotocore finds out for each request, as whether there is a proxy, is found out once for each URL: a put of one
        record takes 55 µs of CPU beside the network's, not 92.

        Raises:
            botocore.exceptions.HTTPClientError: one of its kinds, for what aiohttp raises.

        """
        try:
            way = self._ways.get(request.url) or await self._found_way(request.url)
            if way.quick is not None:
                return await way.quick.send(way.url, request.headers, request.body)
        except Exception as error:
            await _Failing(error).send(request)
            raise
        # aiohttp's client knows what proxies want.
        answer = await self.send(request)
        return Posted(answer.status_code, answer.headers, await answer.content)

    async def _found_way(self, url: str) -> _Way:
        is_direct = self._proxy_config.proxy_url_for(url) is None
        quick = QuickPost(await super()._get_session(None)) if is_direct else None
        way = self._ways[url] = _Way(URL(url, encoded=True), quick)
        return way

    async def _get_session(self, proxy_url: str | None) -> _Staying:
        return _Staying(await super()._get_session(proxy_url))


class _Way(NamedTuple):
    url: URL
    quick: QuickPost | None
    """None where it leads by a proxy."""


class _Failing(AIOHTTPSession):  # type: ignore[misc]  # as above
    """Sends nothing: it raises what aiobotocore makes of an error of aiohttp's."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def _get_session(self, _: str | None) -> NoReturn:
        raise self._error


class _Staying(NamedTuple):
    session: ClientSession

    async def request(self, method: str, *, url: URL, **options: Any) -> ClientResponse:  # noqa: ANN401  passed on
        """As aiohttp's, but for redirects."""
        return await self.session.request(method, url, allow_redirects=False, **options)
