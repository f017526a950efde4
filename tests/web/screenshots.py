"""Takes the pictures of the docs anew: `python -m tests.web.screenshots`. Needs Chromium.

They are of services that run, with a real Kafka. Nobody waits an hour for a picture: the hour of the chart alone is made up.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiokafka import AIOKafkaProducer
from playwright.async_api import async_playwright

from processor.demo.workload import DESTINATION, GOVERNANCE, LIKELY_BUYERS, LOYAL, NEWSLETTER, events
from processor.embedded import start_kafka
from tests.conftest import create_topic
from tests.support.guided import STREAM, guided
from tests.support.hands import ChromiumHands, reads
from tests.support.journey import (
    account,
    authentication,
    choose_attributes,
    choose_segments,
    finish,
    name_stream,
    sign_in,
)
from tests.support.members import Member, member_environ
from tests.support.observation import ready, url_of
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route, ViewportSize

    from tests.support.guided import Guided

PLACE: Final = Path(__file__).parents[2] / "docs"
DESK: Final[ViewportSize] = {"width": 1100, "height": 800}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
NAMES: Final = {LIKELY_BUYERS: "Likely buyers", NEWSLETTER: "Newsletter readers", LOYAL: "Loyal customers"}
ACTION: Final = "exportToThirdParty"
SAMPLE: Final = 2_000
"""Events."""


async def main() -> None:
    """Go the whole way, then run a service under load for some seconds, and look at their pages."""
    with start_kafka() as kafka, tempfile.TemporaryDirectory() as home:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
            )
            await _way(browser, kafka.bootstrap_servers, Path(home))
            await _under_load(browser, kafka.bootstrap_servers, Path(home) / "load")
            await browser.close()


async def _way(browser: Browser, servers: str, home: Path) -> None:
    await create_topic(servers, "loyalty-events", partitions=4)
    directory = home / "way"
    directory.mkdir()
    async with guided(servers, "loyalty-events", directory, _sample()) as service:
        await _governed(service)
        page = await browser.new_page(viewport=DESK)
        hands = ChromiumHands(page)
        await sign_in(hands, service)
        await hands.press("link", "Connect")
        await reads(hands, "Not set up")
        await _kept(page, "connect-catalogue")
        await account(hands, service)
        await reads(hands, "What the destination is called")
        await name_stream(hands)
        await reads(hands, f"With {ACTION}")
        await _kept(page, "connect-authentication")
        await authentication(hands)
        await hands.press("button", "Activate segments")
        await reads(hands, *NAMES.values())
        await hands.press("checkbox", NAMES[LIKELY_BUYERS])
        await hands.press("checkbox", NAMES[NEWSLETTER])
        await reads(hands, "Chosen: 2 segments", without="not looked at yet")
        await _kept(page, "activate-segments")
        await choose_segments(hands)
        await hands.press("checkbox", "creditScore")
        await reads(hands, "removed by “", "6 attributes shown", without="not looked at yet")
        await _kept(page, "activate-attributes")
        await choose_attributes(hands, "person.email")
        await reads(hands, "Records as they will be")
        await _kept(page, "activate-review")
        await finish(hands, "No backfill is due")
        await hands.press("button", "Activate more")
        await choose_segments(hands, NAMES[LOYAL])
        await choose_attributes(hands)
        await finish(hands)
        await _kept(page, "activate-progress")
        await hands.press("link", "Destination")
        await reads(hands, "segment mapped")
        await _kept(page, "destination")
        await page.set_viewport_size(PHONE)
        await page.emulate_media(color_scheme="dark")
        await page.screenshot(path=PLACE / "destination-phone.png")


def _sample() -> list[dict[str, Any]]:
    """Events of a day like any other, whose segments have their names."""
    found = []
    for number, event in enumerate(itertools.islice(events(2020, 200), SAMPLE)):
        value = None if event.value is None else _named(event.value)
        found.append({"key": event.key.decode(), "timestamp": 1590449856000 + number, "valueText": value})
    return [each for each in found if each["valueText"] is not None]


def _named(value: bytes) -> str:
    try:
        profile = json.loads(value)
        for id_, entry in profile["segmentMembership"]["ups"].items():
            entry.update({"name": NAMES[id_]} if id_ in NAMES else {})
    except (ValueError, KeyError, TypeError, AttributeError):
        return value.decode(errors="replace")  # one that no service can use, as there are everywhere
    return json.dumps(profile)


async def _governed(service: Guided) -> None:
    """Have the score bear a label, and a policy that forbids it to third parties."""
    place = "/../dulepolicy"
    await service.api.call("PUT", f"{place}/labels", {"fields": {"creditScore": ["C2"]}}, status=200)
    policy = {
        "name": "No credit data to third parties",
        "status": "ENABLED",
        "marketingActionRefs": [f"/data/foundation/dulepolicy/marketingActions/core/{ACTION}"],
        "deny": {"label": "C2"},
    }
    await service.api.call("POST", f"{place}/policies/custom", policy, status=201)


async def _kept(page: Page, name: str) -> None:
    """All that is there, with nothing under what else stays in sight at the bottom, and nothing that has the focus."""
    await page.evaluate("document.activeElement?.blur()")
    height = await page.evaluate("document.documentElement.scrollHeight")
    await page.set_viewport_size({"width": DESK["width"], "height": max(height, DESK["height"])})
    await page.screenshot(path=PLACE / f"{name}.png", animations="disabled")
    await page.set_viewport_size(DESK)


async def _under_load(browser: Browser, servers: str, directory: Path) -> None:
    directory.mkdir()
    await create_topic(servers, "profile-changes", partitions=4)
    async with served(ScriptedKinesis(random.Random(1), faults=Faults(throttled=0.1))) as url:
        environ = member_environ(servers, "profile-changes", directory, url)
        text = DESTINATION.format(region="eu-west-1", url=url, stream=STREAM)
        (directory / "destination.yaml").write_text(text, encoding="utf-8")
        (directory / "governance.yaml").write_text(GOVERNANCE, encoding="utf-8")
        environ["PROCESSOR_GOVERNANCE_FILE"] = str(directory / "governance.yaml")
        member = await Member(directory, environ, workers=2).start()
        try:
            at = await url_of(member)
            async with aiohttp.ClientSession() as http:
                await ready(http, at)
            await _shown(browser, at, servers)
        finally:
            await member.kill()


async def _shown(browser: Browser, at: str, servers: str) -> None:
    producing = asyncio.create_task(_produce(servers))
    page = await browser.new_page(viewport=DESK)
    await page.route("**/api/flow", _hour)
    await page.goto(at)
    await asyncio.sleep(12)
    await page.screenshot(path=PLACE / "status-page.png", full_page=True)
    producing.cancel()


async def _hour(route: Route) -> None:
    """An hour with a slow morning, a campaign in it, and events that were none."""
    now_ms = int(time.time() * 1000) // 15_000 * 15_000
    points = []
    for number in range(240):
        rng = random.Random(number)
        received = 340 + 60 * math.sin(number / 17) + 420 * math.exp(-(((number - 150) / 22) ** 2))
        received *= rng.uniform(0.96, 1.04)
        bad = received * 0.01 if 60 < number < 75 else 0.0
        exported = (received - bad) * 0.48
        points.append(
            {
                "atMs": now_ms - (239 - number) * 15_000,
                "received": received,
                "exported": exported,
                "stored": exported,
                "deadLettered": bad,
            }
        )
    await route.fulfill(json={"everyS": 15, "points": points})


async def _produce(servers: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        for number, event in enumerate(events(2020, 2_000)):
            await producer.send("profile-changes", key=event.key, value=event.value)
            if number % 20 == 0:
                await asyncio.sleep(0.02)
    finally:
        await producer.stop()


if __name__ == "__main__":
    asyncio.run(main())
