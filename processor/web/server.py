"""The HTTP server: `/livez`, `/readyz`, `/metrics`, the status page at `/`, and its data.

These only read; applications that are mounted beside them, as the API, say themselves who may do what. Nothing that it
serves comes from elsewhere, and the page may load nothing from elsewhere. Where it listens on this machine alone it answers
to this machine's names alone: else a page from elsewhere, whose name is made to lead here, could read it through the
operator's browser.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from processor.errors import ConfigurationError, Problem
from processor.settings.servers import is_address, is_loopback
from processor.telemetry.exposition import NONE
from processor.web.access import guard
from processor.web.answers import liveness, metrics_text, reasons, status_json
from processor.web.flow import Flow
from processor.web.tls import certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from processor.settings import ServiceSettings
    from processor.telemetry.report import Fleet
    from processor.web.tls import Certificate

log = structlog.get_logger(__name__)

_SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",  # frame-ancestors, for what does not know it
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "processor",  # aiohttp would name its version, and Python's
}
_WATCHERS_MAX: Final = 32
_CONNECTIONS_MAX: Final = 512
"""Beyond them the process would soon have no file for anything else."""
_LINGER_S: Final = 2.0
"""How long what is left of a refused request's body is read, so that its sender hears of it."""
_FIELD_BYTES: Final = 32 << 10
"""Of one header; whoever is mounted may want less."""
_LEAVE_S: Final = 1.0


class Intervals(NamedTuple):
    """In seconds: how often pages are sent the status, the certificate is looked at, and what flows; how long a request may be awaited."""

    event_s: float = 2.0
    certificate_s: float = 10.0
    flow_s: float = 15.0
    request_s: float = 75.0
    """From the connection, or the answer before, to the last header: longer than load balancers keep a connection idle."""


_INTERVALS: Final = Intervals()
_NOTHING: Final[Mapping[str, web.Application]] = MappingProxyType({})


class _Asset(NamedTuple):
    body: bytes
    content_type: str


_PLACE: Final = Path(__file__).with_name("page")
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_AT_THE_TOP: Final = {"page.html": "/"}
"""Files that are served elsewhere than by their names; icons are beside the page, all others below `/page/`."""


def _assets() -> Iterator[tuple[str, _Asset]]:
    for file in sorted(_PLACE.rglob("*")):
        if file.suffix in _TYPES:
            name = file.relative_to(_PLACE).as_posix()
            path = _AT_THE_TOP.get(name, f"/{name}" if file.suffix == ".svg" else f"/page/{name}")
            yield path, _Asset(file.read_bytes(), _TYPES[file.suffix])


_ASSETS: Final = dict(_assets())


class _Pages:
    """The handlers, over whatever `ask` returns."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Fleet]],
        of_all: Callable[[], Mapping[str, str]],
        api: str | None,
        event_interval_s: float,
    ) -> None:
        self._ask = ask
        self._of_all = of_all
        self._api = api
        self._event_interval_s = event_interval_s
        self._watchers = 0

    async def live(self, _: web.Request) -> web.Response:
        why = liveness(await self._ask())
        return web.json_response({"live": not why, "reasons": why}, status=503 if why else 200)

    async def ready(self, _: web.Request) -> web.Response:
        why = reasons(await self._ask())
        return web.json_response({"ready": not why, "reasons": why}, status=503 if why else 200)

    async def metrics(self, _: web.Request) -> web.Response:
        body = metrics_text(await self._ask(), self._of_all())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def status(self, _: web.Request) -> web.Response:
        return web.Response(body=await self._status(), content_type="application/json")

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send the status again and again, as server-sent events."""
        if self._watchers >= _WATCHERS_MAX:
            raise web.HTTPServiceUnavailable(text="too many pages are open; GET /api/status still answers")
        self._watchers += 1
        try:
            response = web.StreamResponse(headers={**_SECURITY_HEADERS, "Content-Type": "text/event-stream"})
            await response.prepare(request)
            while True:
                await response.write(b"data: " + await self._status() + b"\n\n")
                await asyncio.sleep(self._event_interval_s)
        except ConnectionError:
            return response  # the page was closed
        finally:
            self._watchers -= 1

    async def asset(self, request: web.Request) -> web.Response:
        found = _ASSETS[request.path]
        return web.Response(body=found.body, content_type=found.content_type, charset="utf-8")

    async def _status(self) -> bytes:
        return status_json(await self._ask(), self._api)


@asynccontextmanager
async def serve(
    settings: ServiceSettings,
    ask: Callable[[], Awaitable[Fleet]],
    of_all: Callable[[], Mapping[str, str]] = lambda: NONE,
    intervals: Intervals = _INTERVALS,
    mounted: Mapping[str, web.Application] = _NOTHING,
) -> AsyncIterator[str]:
    """Serve what `ask` returns while the context lasts, every series with the labels that `of_all` returns; yields the URL.

    `mounted` are applications by the prefix of their paths. The page's password and token are not asked for them; the first is
    the API that the page may call, and the status has its prefix.

    Raises:
        ConfigurationError: the address cannot be listened at, or the certificate cannot be used.

    """
    pages = _Pages(ask, of_all, next(iter(mounted), None), intervals.event_s)
    flow = Flow(ask, intervals.flow_s)
    known = guard(settings, tuple(mounted.values()))
    of_port = await asyncio.to_thread(certificate, settings)
    middlewares = [_refuse_foreign_names] if is_loopback(settings.http_host) else []
    app = web.Application(middlewares=[*middlewares, *([] if known is None else [known])])
    for prefix, application in mounted.items():
        app.add_subapp(prefix, application)
    app.add_routes(
        [
            web.get("/livez", pages.live),
            web.get("/readyz", pages.ready),
            web.get("/metrics", pages.metrics),
            web.get("/api/status", pages.status),
            web.get("/api/events", pages.events),
            web.get("/api/flow", flow.answer),
            *(web.get(path, pages.asset) for path in _ASSETS),
        ]
    )
    app.on_response_prepare.append(_harden)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_logger(),
        handler_cancellation=True,
        shutdown_timeout=_LEAVE_S,
        keepalive_timeout=intervals.request_s,
        lingering_time=_LINGER_S,
        max_field_size=_FIELD_BYTES,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        server = await _listening(runner, settings, of_port)
    except OSError as error:
        await runner.cleanup()
        problem = Problem(
            source="environment",
            line=None,
            member="PROCESSOR_HTTP_HOST, PROCESSOR_HTTP_PORT",
            message=f"cannot listen at {settings.http_host}:{settings.http_port}: {error.strerror}",
            remedy="Choose a free port, or 0 for any, at an address of this machine",
        )
        raise ConfigurationError([problem]) from error
    host, port = server.sockets[0].getsockname()[:2]
    url = f"{'http' if of_port is None else 'https'}://{host}:{port}"
    log.info("serving health, metrics and the status page", url=url, **_also(mounted))
    beside = [asyncio.create_task(flow.run(), name="flow")]
    if of_port is not None:
        beside.append(asyncio.create_task(of_port.run(intervals.certificate_s), name="certificate"))
    try:
        yield url
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
        server.close()
        await runner.cleanup()


async def _listening(
    runner: web.AppRunner, settings: ServiceSettings, of_port: Certificate | None
) -> asyncio.Server:
    served = cast("web.Server", runner.server)  # there is one since it was set up

    def connection() -> asyncio.Protocol:
        return served() if len(served.connections) < _CONNECTIONS_MAX else _Refused()

    return await asyncio.get_running_loop().create_server(
        connection,
        settings.http_host,
        settings.http_port,
        ssl=None if of_port is None else of_port.context,
        backlog=128,
    )


def _logger() -> logging.Logger:
    """What aiohttp logs to: less what is no HTTP, which anybody may send, as much as they like, with a secret in it."""
    logger = logging.getLogger("processor.http")
    logger.filters[:] = [_is_no_request_s_fault]
    return logger


def _is_no_request_s_fault(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class _Refused(asyncio.Protocol):
    """A connection more than there may be."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _also(mounted: Mapping[str, web.Application]) -> dict[str, str]:
    return {"also": ", ".join(mounted)} if mounted else {}


@web.middleware
async def _refuse_foreign_names(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    name = request.url.host or ""
    if is_loopback(name) or is_address(name):
        return await handler(request)
    raise web.HTTPMisdirectedRequest(
        text="this is served to localhost alone: ask for it by that name, have a proxy send it as Host, or see "
        "PROCESSOR_HTTP_HOST\n"
    )


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_SECURITY_HEADERS)
