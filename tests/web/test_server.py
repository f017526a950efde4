"""To whom the HTTP server answers."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from processor.settings import ServiceSettings
from processor.telemetry.report import Fleet, Observation
from processor.telemetry.samples import Sheet
from processor.web import server
from processor.web.server import Intervals, serve
from tests.support.reports import report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping


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


async def test_a_connection_that_asks_for_nothing_is_closed() -> None:
    async with served(Intervals(request_s=0.05)) as url:
        for begun in (b"", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
            writer.write(begun)
            assert await reader.read() == b""
            writer.close()


async def test_a_connection_more_than_there_may_be_is_closed_and_those_before_it_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "_CONNECTIONS_MAX", 1)
    async with served() as url:
        first, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
        writer.write(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await first.readline()).endswith(b" 200 OK\r\n")
        second, other = await asyncio.open_connection("127.0.0.1", port_of(url))
        assert await second.read() == b""
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b'{"live": true' in await first.read()
        writer.close()
        other.close()


async def test_the_labels_of_series_are_those_of_the_moment() -> None:
    stream = "one"
    async with (
        served(of_all=lambda: {"stream": stream}, fleet=Fleet([], silent={0: "it starts"})) as url,
        aiohttp.ClientSession() as http,
    ):
        for stream in ("one", "another"):
            async with http.get(f"{url}/metrics") as answer:
                assert f'stream="{stream}"' in await answer.text()


async def test_a_process_that_is_to_have_no_worker_is_ready_and_scraped_unless_something_is_wrong_with_it() -> (
    None
):
    idle = Fleet([], notice="nothing is exported: there is no dataflow")
    wrong = Fleet([], conditions={"definition": "no key opens it"})
    for fleet, status, line in (
        (idle, 200, 'processor_worker_up{worker="none"} 1.0'),
        (wrong, 503, 'processor_unready_condition{condition="definition",worker="none"} 1.0'),
    ):
        async with served(fleet=fleet) as url, aiohttp.ClientSession() as http:
            async with http.get(f"{url}/readyz") as answer:
                assert (answer.status, (await answer.json())["reasons"]) == (status, fleet.conditions)
            async with http.get(f"{url}/livez") as answer:
                assert answer.status == 200
            async with http.get(f"{url}/api/status") as answer:
                assert (await answer.json())["notice"] == fleet.notice
            async with http.get(f"{url}/metrics") as answer:
                assert line in (await answer.text()).splitlines()


@pytest.mark.parametrize(
    "path", ["/", "/page/main.js", "/page/words/shared.js", "/icon.svg", "/api/status", "/nothing"]
)
async def test_nothing_may_run_or_frame_what_is_served_but_the_page_s_own_modules(path: str) -> None:
    async with served() as url, aiohttp.ClientSession() as http, http.get(f"{url}{path}") as answer:
        parts = [each.strip() for each in answer.headers["Content-Security-Policy"].split(";")]
        assert {
            "default-src 'none'",
            "script-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        } <= set(parts)
        assert not [each for each in parts if "unsafe" in each or "*" in each]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_what_is_mounted_answers_under_its_prefix_alone_and_is_hardened_as_the_page_is() -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    mounted = web.Application()
    mounted.router.add_get("/hello", hello)
    async with served(mounted={"/more": mounted}) as url, aiohttp.ClientSession() as http:
        async with http.get(f"{url}/more/hello") as answer:
            assert await answer.text() == "hello"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with http.get(f"{url}/more/livez") as answer:
            assert answer.status == 404
        async with http.get(f"{url}/more/hello", headers={"Host": "rebound.example.com"}) as answer:
            assert answer.status == 421


async def test_the_status_says_where_the_api_is_mounted_if_it_is() -> None:
    for mounted, told in (({"/data/foundation": web.Application()}, "/data/foundation"), (None, None)):
        async with served(mounted=mounted) as url, aiohttp.ClientSession() as http:
            async with http.get(f"{url}/api/status") as answer:
                assert (await answer.json())["api"] == told
            async with http.get(f"{url}/api/events") as events:
                line = await events.content.readline()
                assert json.loads(line.removeprefix(b"data: "))["api"] == told


async def test_what_flows_is_looked_at_beside_the_server_and_answered_as_rates() -> None:
    totals = {"received": 0.0, "exported": 0.0, "stored": 0.0, "deadLettered": 0.0}

    async def ask() -> Fleet:
        totals["received"] += 1.0
        return Fleet([Observation(report(totals=dict(totals)), Sheet().samples)])

    settings = ServiceSettings.model_validate({"http_port": 0})
    async with serve(settings, ask, intervals=Intervals(flow_s=0.01)) as url, aiohttp.ClientSession() as http:
        told: dict[str, Any] = {"points": []}
        while len(told["points"]) < 2:
            async with http.get(f"{url}/api/flow") as answer:
                told = await answer.json()
    assert told["everyS"] == 0.01
    for point in told["points"]:
        assert list(point) == ["atMs", "received", "exported", "stored", "deadLettered"]
        assert point["received"] > 0 == point["stored"]
    assert [each["atMs"] for each in told["points"]] == sorted(each["atMs"] for each in told["points"])


async def test_a_look_that_fails_takes_a_point_and_no_more() -> None:
    looks = 0

    async def ask() -> Fleet:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise RuntimeError
        return Fleet([])

    settings = ServiceSettings.model_validate({"http_port": 0})
    with capture_logs() as lines:
        async with (
            serve(settings, ask, intervals=Intervals(flow_s=0.01)) as url,
            aiohttp.ClientSession() as http,
        ):
            told: dict[str, Any] = {"points": []}
            while not told["points"]:
                async with http.get(f"{url}/api/flow") as answer:
                    assert answer.status == 200
                    told = await answer.json()
    assert [each["event"] for each in lines if each["log_level"] == "error"] == [
        "the flow of the last hour lacks a point; please report it"
    ]


@asynccontextmanager
async def served(
    intervals: Intervals = Intervals(),  # noqa: B008  it is immutable
    *,
    fleet: Fleet | None = None,
    of_all: Callable[[], Mapping[str, str]] = dict,
    mounted: Mapping[str, web.Application] | None = None,
) -> AsyncIterator[str]:
    async def ask() -> Fleet:
        return fleet or Fleet([])

    settings = ServiceSettings.model_validate({"http_port": 0})
    async with server.serve(settings, ask, of_all, intervals, mounted or {}) as url:
        yield url


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])
