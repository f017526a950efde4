"""Takes docs/status-page.png anew: `python -m tests.web.screenshot`. Needs Chromium."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaProducer
from playwright.async_api import async_playwright

from processor.demo.workload import DESTINATION, GOVERNANCE, events
from processor.embedded import start_kafka
from tests.conftest import create_topic
from tests.support.members import Member, member_environ
from tests.support.observation import ready, url_of
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served

PLACE = Path(__file__).parents[2] / "docs" / "status-page.png"


async def main() -> None:
    """Run a service under load for some seconds, and look at its page."""
    with start_kafka() as kafka, tempfile.TemporaryDirectory() as home:
        servers, directory = kafka.bootstrap_servers, Path(home)
        await create_topic(servers, "profile-changes", partitions=4)
        async with served(ScriptedKinesis(random.Random(1), faults=Faults(throttled=0.1))) as url:
            environ = member_environ(servers, "profile-changes", directory, url)
            text = DESTINATION.format(region="eu-west-1", url=url, stream="profile-exports")
            (directory / "destination.yaml").write_text(text, encoding="utf-8")
            (directory / "governance.yaml").write_text(GOVERNANCE, encoding="utf-8")
            environ["PROCESSOR_GOVERNANCE_FILE"] = str(directory / "governance.yaml")
            member = await Member(directory, environ, workers=2).start()
            try:
                await _shown(member, servers)
            finally:
                await member.kill()


async def _shown(member: Member, servers: str) -> None:
    at = await url_of(member)
    async with aiohttp.ClientSession() as http:
        await ready(http, at)
    producing = asyncio.create_task(_produce(servers))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        page = await browser.new_page(viewport={"width": 1100, "height": 800})
        await page.goto(at)
        await asyncio.sleep(12)
        await page.screenshot(path=PLACE, full_page=True)
        await browser.close()
    producing.cancel()


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
