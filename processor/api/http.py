"""The API over HTTP: who asks, and for what; the table's calls are answered, and changes kept.

All that a request can be wrong in is refused in the API's own form of errors, before its body is read where that is possible.
Bodies are parsed and calls are answered in threads: the loop has others to serve.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import hdrs, web

from processor.api.changes import Changes
from processor.api.errors import ApiError
from processor.api.limits import LIMITS, body_of, check_content, check_head, parsed, too_many
from processor.api.looks import Looks, looked
from processor.api.matching import Table
from processor.api.request import Answer, Request
from processor.api.routes import Change, Look, Read
from processor.errors import DefinitionConflict, DefinitionUnavailable, KafkaError, KafkaRefused
from processor.profile.unexpected import trace_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    from processor.api.changes import Keep
    from processor.api.limits import Limits
    from processor.api.matching import Match
    from processor.api.routes import Route
    from processor.api.tokens import Bearer, Tokens
    from processor.definition.model import Definition
    from processor.flow_service.documents import Json

log = structlog.get_logger(__name__)

PREFIX: Final = "/data/foundation"
"""Where the application is mounted: all of the table's paths begin with it."""

UNDER_WAY: Final = "x-changes-under-way"
"""How many changes this process was taking in or keeping as it answered: who has lost the answer to one waits for none."""

_PATH_SHOWN: Final = 200
_AWAY_S: Final = "5"


def application(
    routes: Iterable[Route],
    current: Callable[[], Definition],
    keep: Keep,
    tokens: Tokens,
    limits: Limits = LIMITS,
) -> web.Application:
    """Return what `web.server.serve` mounts at `PREFIX`; files of tokens are followed as long as it is served.

    `current` and `keep` are `current` and `change` of `operations.kept_definition.KeptDefinition`.
    """
    edge = _Edge(Table(routes), current, keep, tokens, limits)
    app = web.Application()
    # A dot of a pattern is any character but a line's end, which a path may have percent-encoded.
    app.router.add_route(hdrs.METH_ANY, r"/{path:[\s\S]*}", edge.answer, expect_handler=edge.expect)
    app.cleanup_ctx.append(edge.beside)
    return app


class _Edge:
    def __init__(
        self,
        table: Table,
        current: Callable[[], Definition],
        keep: Keep,
        tokens: Tokens,
        limits: Limits,
    ) -> None:
        self._table = table
        self._current = current
        self._changes = Changes(current, keep)
        self._looks = Looks()
        self._tokens = tokens
        self._limits = limits
        self._requests = 0
        self._arriving = 0
        """Changes whose bodies are read."""
        self._changing: set[asyncio.Task[Answer]] = set()

    async def beside(self, _: web.Application) -> AsyncIterator[None]:
        """Follow the files of tokens; in the end wait for changes, also those whose askers are gone."""
        following = asyncio.create_task(self._tokens.run(self._limits.tokens_s), name="api-tokens")
        yield
        following.cancel()
        await asyncio.wait([following])
        if self._changing:
            _done, late = await asyncio.wait(self._changing, timeout=self._limits.leave_s)
            for task in late:
                task.cancel()

    async def expect(self, request: web.Request) -> None:
        """Ask for the body only where the request is not refused for what is known of it already."""
        try:
            self._admit(request)
        except ApiError:
            return  # it is answered where all are
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # it is no part of the answer

    async def answer(self, request: web.Request) -> web.Response:
        """Answer any request under the prefix."""
        request_id = uuid.uuid4().hex
        headers: Mapping[str, str] = {}
        try:
            with self._counted():
                bearer, match, route = self._admit(request)
                if route is None:
                    answer, headers = Answer(204), {hdrs.ALLOW: match.allowed}
                elif isinstance(route, Read):
                    given = _request(request, match)
                    with _told(request_id):
                        answer = await asyncio.to_thread(route.handle, self._current(), given)
                elif isinstance(route, Look):
                    answer = await self._looked(route, request, match, bearer, request_id)
                else:
                    answer = await self._changed(route, request, match, bearer, request_id)
        except ApiError as error:
            answer, headers = Answer(error.status, error.json()), error.headers
        headers = {**headers, UNDER_WAY: str(self._under_way)}
        return await asyncio.to_thread(_response, answer, request_id, headers)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._requests >= self._limits.requests:
            raise too_many("requests", self._requests)
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def _admit(self, request: web.Request) -> tuple[Bearer, Match, Route | None]:
        """Who asks, and what for, by the head of the request; no route for OPTIONS."""
        check_head(request, self._limits)
        bearer = self._bearer(request)
        match = self._table.find(request.rel_url.raw_path)
        if match is None:
            raise ApiError(404, "Not Found", "there is no such path in this API")
        if request.method == hdrs.METH_OPTIONS:
            return bearer, match, None
        route = match.by_method.get("GET" if request.method == hdrs.METH_HEAD else request.method)
        if route is None:
            raise ApiError(
                405,
                "Method Not Allowed",
                f"this path takes {match.allowed}",
                headers={hdrs.ALLOW: match.allowed},
            )
        if not bearer.may_change and (
            isinstance(route, Change) or (isinstance(route, Look) and not route.may_any)
        ):
            raise ApiError(
                403,
                "Forbidden",
                "the token may read, and change nothing",
                headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="processor", error="insufficient_scope"'},
            )
        if _takes_a_body(route):
            check_content(request, self._limits)
        return bearer, match, route

    def _bearer(self, request: web.Request) -> Bearer:
        given = request.headers.getall(hdrs.AUTHORIZATION, [])
        scheme, _, token = given[0].strip().partition(" ") if len(given) == 1 else ("", "", "")
        bearer = self._tokens.bearer(token.strip()) if scheme.lower() == "bearer" else None
        if bearer is not None:
            return bearer
        if given:
            log.warning("a call of the API without a known token was refused", remote=request.remote)
        raise ApiError(
            401,
            "Unauthorized",
            "this asks for one of the tokens of PROCESSOR_API_TOKEN or PROCESSOR_API_READ_TOKEN, as Authorization: Bearer",
            headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="processor"'},
        )

    async def _looked(
        self, route: Look, request: web.Request, match: Match, bearer: Bearer, request_id: str
    ) -> Answer:
        with self._looks.counted(route):
            if not route.may_any:
                # Credentials of the service may be used, and no change of the definition says so.
                log.info("a look by the API", **_about(request, bearer, request_id))
            given = _request(request, match)
            if _takes_a_body(route):
                given = replace(given, body=await self._body(request))
            with _told(request_id):
                return await looked(route, given, bearer)

    async def _body(self, request: web.Request) -> Json:
        content = await body_of(request, self._limits)
        return await asyncio.to_thread(parsed, content, self._limits)

    async def _changed(
        self, route: Change, request: web.Request, match: Match, bearer: Bearer, request_id: str
    ) -> Answer:
        """Make and keep a change, to its end also where nobody waits for it any longer."""
        if self._under_way >= self._limits.changes:
            raise too_many("changes", self._under_way)
        self._arriving += 1
        try:
            given = replace(_request(request, match), body=await self._body(request))
        finally:
            self._arriving -= 1
        about = _about(request, bearer, request_id)
        task = asyncio.create_task(self._kept(route, given, bearer.name, about), name="api-change")
        self._changing.add(task)
        task.add_done_callback(self._left)
        try:
            async with asyncio.timeout(self._limits.answer_s):
                return await asyncio.shield(task)
        except TimeoutError:
            raise ApiError(
                503,
                "Service Unavailable",
                f"Kafka has not taken the change within {self._limits.answer_s:g} s, and may take it yet: "
                "read the object before you try again",
                headers={hdrs.RETRY_AFTER: _AWAY_S},
            ) from None

    @property
    def _under_way(self) -> int:
        """Changes that arrive, or are being kept."""
        return self._arriving + len(self._changing)

    def _left(self, task: asyncio.Task[Answer]) -> None:
        self._changing.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone: it is logged

    async def _kept(self, route: Change, given: Request, by: str, about: Mapping[str, str | None]) -> Answer:
        try:
            with _told(str(about["request"])):
                changed = await self._changes.change(route.handle, given, by)
        except ApiError as error:
            log.info("a change by the API was refused", status=error.status, title=error.headline, **about)
            raise
        if changed.is_one:
            log.info("the definition was changed by the API", version=changed.in_force.version, **about)
        return changed.answer


def _about(request: web.Request, bearer: Bearer, request_id: str) -> dict[str, str | None]:
    """What the log has of a request: never its body."""
    return {
        "method": request.method,
        "path": request.rel_url.raw_path[:_PATH_SHOWN],
        "token": bearer.name,
        "remote": request.remote,
        "request": request_id,
    }


def _takes_a_body(route: Route) -> bool:
    return isinstance(route, Change) or (isinstance(route, Look) and route.call.body is not None)


def _request(request: web.Request, match: Match) -> Request:
    query = {name: tuple(request.query.getall(name)) for name in request.query}
    if_match = request.headers.getall(hdrs.IF_MATCH, [])
    return Request(match.parts, query, if_match=",".join(if_match) if if_match else None)


@contextmanager
def _told(request_id: str) -> Iterator[None]:
    """Tell whoever asks of what a call failed with; of a fault, that it is one, and nothing that it says."""
    try:
        yield
    except ApiError:
        raise
    except DefinitionConflict as error:
        raise ApiError(409, "Conflict", str(error), headers={hdrs.RETRY_AFTER: "1"}) from error
    except KafkaRefused as error:
        # A person must mend it: to try again is of no use.
        raise ApiError(503, "Service Unavailable", str(error)) from error
    except (DefinitionUnavailable, KafkaError) as error:
        raise ApiError(503, "Service Unavailable", str(error), headers={hdrs.RETRY_AFTER: _AWAY_S}) from error
    except Exception as error:  # noqa: BLE001  whatever it is, whoever asks is answered
        # Its words may quote the body, which may hold a secret.
        log.error(  # noqa: TRY400  as said: the trace without words is what may be logged
            "a call of the API failed by a fault of the processor: please report it",
            request=request_id,
            error=type(error).__name__,
            trace=trace_of(error),
        )
        raise ApiError(
            500,
            "Internal Server Error",
            f"a fault of the processor, whose log says more of the request {request_id}: read the object before you try again",
        ) from None


def _response(answer: Answer, request_id: str, headers: Mapping[str, str]) -> web.Response:
    all_headers = {"x-request-id": request_id, **headers}
    if answer.etag is not None:
        all_headers[hdrs.ETAG] = answer.etag
    if answer.location is not None:
        all_headers[hdrs.LOCATION] = answer.location
    if answer.body is None:
        return web.Response(status=answer.status, headers=all_headers)
    text = json.dumps(answer.body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return web.Response(
        status=answer.status,
        # Half a character, which UTF-8 has no bytes for, is an escape in JSON.
        body=text.encode(errors="backslashreplace"),
        content_type="application/json" if answer.status < 400 else "application/problem+json",  # noqa: PLR2004  HTTP's
        headers=all_headers,
    )
