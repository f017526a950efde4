"""The whole API over a definition, a sample and streams in memory."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from processor.api.calls import calls
from processor.api.http import PREFIX, application
from processor.api.tokens import Tokens
from processor.definition.sealing import Sealing
from processor.settings import ApiSettings, ServiceSettings
from processor.telemetry.report import Fleet
from processor.web.server import serve
from tests.api.test_http import READ_TOKEN, TOKEN, Api
from tests.support.flow_service_calls import SEALING_KEY
from tests.support.kept_in_memory import KeptInMemory
from tests.support.looked_at import looked_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.definition.model import Definition

OWN: Final = f"{PREFIX}/processor"
FLOWS: Final = f"{PREFIX}/flowservice/flows"


@asynccontextmanager
async def own_api(
    definition: Definition | None = None, *, sealing: Sealing | None = None, **looks: Any
) -> AsyncIterator[Api]:
    """Serve it; `looks` are what `tests.support.looked_at` takes."""

    async def ask() -> Fleet:
        return Fleet([])

    kept = KeptInMemory(definition)
    sealed = Sealing([SEALING_KEY]) if sealing is None else sealing
    tokens = Tokens(ApiSettings.model_validate({"api_token": TOKEN, "api_read_token": READ_TOKEN}))
    routes = calls(lambda: sealed, looked_at(kept.current, sealing=sealed, **looks))
    app = application(routes, kept.current, kept.change, tokens)
    settings = ServiceSettings.model_validate({"http_port": 0})
    async with serve(settings, ask, mounted={PREFIX: app}) as url, aiohttp.ClientSession() as http:
        yield Api(kept, http, url)
