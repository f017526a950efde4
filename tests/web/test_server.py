"""To whom the HTTP server answers."""

from __future__ import annotations

import aiohttp
import pytest

from processor.settings import ServiceSettings
from processor.telemetry.report import Fleet
from processor.web.server import serve


async def status_for(host: str, listening_at: str) -> int:
    """What a request gets that comes with this `Host`."""

    async def ask() -> Fleet:
        return Fleet([])

    settings = ServiceSettings.model_validate({"http_host": listening_at, "http_port": 0})
    async with serve(settings, ask) as url, aiohttp.ClientSession() as http:
        port = url.rpartition(":")[2]
        async with http.get(f"http://127.0.0.1:{port}/api/status", headers={"Host": host}) as answer:
            return answer.status


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "10.1.2.3:80"])
async def test_on_this_machine_alone_it_answers_to_localhost_and_to_addresses(host: str) -> None:
    assert await status_for(host, "127.0.0.1") == 200


@pytest.mark.parametrize("host", ["rebound.example.com", "rebound.example.com:8080", "localhost.example.com"])
async def test_on_this_machine_alone_a_name_that_leads_here_from_elsewhere_is_refused(host: str) -> None:
    assert await status_for(host, "127.0.0.1") == 421


async def test_where_it_listens_for_others_it_answers_to_every_name() -> None:
    assert await status_for("processor.internal:8080", "0.0.0.0") == 200
