"""A site of somebody else's, of another origin than the service's."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def elsewhere(host: str = "127.0.0.1") -> AsyncIterator[str]:
    """An empty page at every path of a port of its own, without a policy, until the block ends."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(
            text="<!doctype html><title>elsewhere</title><body></body>", content_type="text/html"
        )

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
