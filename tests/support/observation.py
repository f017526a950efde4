"""What a service serves over HTTP."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from tests.support.scrape import parsed, sums

if TYPE_CHECKING:
    import aiohttp

    from tests.support.members import Member


async def url_of(member: Member) -> str:
    while True:
        for line in member.log.read_text().splitlines():
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found and "serving" in line:
                return found[0]
        await asyncio.sleep(0.02)


async def scraped(http: aiohttp.ClientSession, url: str) -> dict[Any, float]:
    async with http.get(f"{url}/metrics") as answer:
        return parsed(await answer.text())


async def in_flight(http: aiohttp.ClientSession, url: str) -> float:
    """How many events all workers have received and not settled, their state kept."""
    return sum(values["processor_events_in_flight"] for values in sums(await scraped(http, url)).values())


async def ready(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """The answer of /readyz once it is 200."""
    while True:
        async with http.get(f"{url}/readyz") as answer:
            told: dict[str, Any] = await answer.json()
            assert answer.status == (200 if told["ready"] else 503)
            if told["ready"]:
                return told
        await asyncio.sleep(0.05)


async def status_of(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with http.get(f"{url}/api/status") as answer:
        told: dict[str, Any] = await answer.json()
        return told


async def follows(http: aiohttp.ClientSession, url: str, *segments: str, workers: int = 1) -> None:
    """Once every worker follows a plan of these segments."""
    wanted = [f"ups/{each}" for each in segments]
    while True:
        told = (await status_of(http, url))["workers"]
        found = [
            [item["name"] for item in each["destination"]["items"] if item["kind"] == "segment"]
            for each in told
        ]
        if found == [wanted] * workers:
            return
        await asyncio.sleep(0.05)
