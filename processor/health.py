"""Health and metrics over HTTP: `/livez`, `/readyz`, `/metrics`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from processor.errors import ConfigurationError, Problem
from processor.telemetry.metrics import WorkerCollector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.kinesis.writer import Writer
    from processor.settings import ServiceSettings
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)


@asynccontextmanager
async def serve_health(settings: ServiceSettings, status: Status, writer: Writer) -> AsyncIterator[str]:
    """Serve while the context lasts; the address that is served at.

    Raises:
        ConfigurationError: the address cannot be listened at.

    """
    registry = CollectorRegistry()
    registry.register(WorkerCollector(status, writer))

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def ready(_: web.Request) -> web.Response:
        answer = {"ready": status.is_ready, "reasons": status.conditions}
        return web.json_response(answer, status=200 if status.is_ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        )

    app = web.Application()
    app.add_routes([web.get("/livez", live), web.get("/readyz", ready), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, settings.http_host, settings.http_port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        problem = Problem(
            source="environment",
            line=None,
            member="PROCESSOR_HTTP_HOST, PROCESSOR_HTTP_PORT",
            message=f"cannot listen at {settings.http_host}:{settings.http_port}: {error.strerror}",
            remedy="Choose a free port, or 0 for any",
        )
        raise ConfigurationError([problem]) from error
    host, port = runner.addresses[0][:2]
    log.info("serving health and metrics", url=f"http://{host}:{port}")
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
