"""The API as it is served, over a definition in memory, in a thread of its own: for clients that block."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from processor.api.calls import calls
from processor.api.http import PREFIX, application
from processor.api.tokens import Tokens
from processor.definition.sealing import Sealing
from processor.settings import ApiSettings, ServiceSettings
from processor.telemetry.report import Fleet
from processor.web.server import serve
from tests.support.flow_service_calls import SEALING_KEY
from tests.support.kept_in_memory import KeptInMemory
from tests.support.looked_at import looked_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.definition.model import Definition

TOKEN: Final = "may-change-anything-1"
READ_TOKEN: Final = "may-read-anything-001"
_MEMBER: Final = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
EVENTS: Final = [
    (
        b"1",
        json.dumps(
            {
                "segmentMembership": {"ups": {"s1": _MEMBER}},
                "personalEmail": {"address": "jane@example.com"},
                "loyalty": {"points": 7},
            }
        ).encode(),
    )
]
"""Of the topic that there is a sample of."""


@dataclass(frozen=True)
class ServedApi:
    """Where it is, and what it keeps; nobody but its calls changes that while one is made."""

    url: str
    kept: KeptInMemory


@contextmanager
def served_api(definition: Definition | None = None) -> Iterator[ServedApi]:
    """Serve it on a free port of loopback until the block ends."""
    kept = KeptInMemory(definition)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    found: list[str] = []
    is_there = threading.Event()

    async def nobody() -> Fleet:
        return Fleet([])

    async def run() -> None:
        sealing = Sealing([SEALING_KEY])
        tokens = Tokens(ApiSettings.model_validate({"api_token": TOKEN, "api_read_token": READ_TOKEN}))
        routes = calls(lambda: sealing, looked_at(kept.current, EVENTS))
        app = application(routes, kept.current, kept.change, tokens)
        settings = ServiceSettings.model_validate({"http_port": 0})
        async with serve(settings, nobody, mounted={PREFIX: app}) as url:
            found.append(url)
            is_there.set()
            await stop.wait()

    def live() -> None:
        try:
            loop.run_until_complete(run())
        finally:
            is_there.set()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=live, name="served-api")
    thread.start()
    try:
        is_there.wait()
        (url,) = found
        yield ServedApi(url, kept)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
