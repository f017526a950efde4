"""What flowed in the last hour, looked at beside the server, and answered as JSON."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from aiohttp import web

from processor.telemetry.flow_history import FlowHistory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.telemetry.report import Fleet

log = structlog.get_logger(__name__)


class Flow:
    """Looks at what `ask` returns every `every_s` seconds while `run` runs."""

    def __init__(self, ask: Callable[[], Awaitable[Fleet]], every_s: float) -> None:
        self._ask = ask
        self._every_s = every_s
        self._history = FlowHistory()

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            try:
                fleet = await self._ask()
                self._history.look(time.monotonic(), time.time_ns() // 1_000_000, fleet)
            except Exception:
                # A fault here takes a point from a chart; it must not take the page.
                log.exception("the flow of the last hour lacks a point; please report it")
            await asyncio.sleep(self._every_s)

    async def answer(self, _: web.Request) -> web.Response:
        """Answer the points, the oldest first."""
        points: list[dict[str, Any]] = [
            {
                "atMs": each.at_ms,
                "received": round(each.received, 3),
                "exported": round(each.exported, 3),
                "stored": round(each.stored, 3),
                "deadLettered": round(each.dead_lettered, 3),
            }
            for each in self._history.points
        ]
        body = msgspec.json.encode({"everyS": self._every_s, "points": points})
        return web.Response(body=body, content_type="application/json")
