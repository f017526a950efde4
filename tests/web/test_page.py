"""The status page, in a real browser, over a service that runs."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from playwright.async_api import async_playwright

from tests.support.browser import shows
from tests.support.members import Member, Producer, changes, member_environ
from tests.support.needs import program
from tests.support.observation import ready, url_of
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

pytestmark = [
    pytest.mark.integration,
    pytest.mark.needs("chromium"),
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=program("chromium"), args=["--no-sandbox"]
        )
        try:
            yield chromium
        finally:
            await chromium.close()


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    async with served(scripted) as url:
        yield scripted, url


async def opened(browser: Browser, url: str, problems: list[str], **how: Any) -> Page:
    page = await browser.new_page(**how)
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(url) else problems.append(f"asked for {request.url}"),
    )
    await page.goto(url)
    return page


async def test_the_page_shows_a_running_service_live_and_an_outage_with_its_reason(
    browser: Browser, kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, kinesis_url = kinesis
    environ = member_environ(kafka, topic, tmp_path, kinesis_url, kinesis_slow_retry_ms="300")
    member = await Member(tmp_path, environ, workers=2).start()
    problems: list[str] = []
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            url = await url_of(member)
            await ready(http, url)
            page = await opened(browser, url, problems)
            await shows(page, "#state", "ready")
            assert await page.inner_text("#title") == "chaos"
            assert topic in await page.inner_text("#place")
            await producer.produce(changes(random.Random(1), 500, 20))
            await shows(page, "#flow", "500 in all")
            for partition in range(3):
                await shows(page, f"#partitions tbody tr:nth-child({partition + 1})", "restored")
            await shows(page, "#shards", "fine")
            await shows(page, "#items", "number")
            scripted.faults = Faults(refused="ExpiredTokenException")
            await producer.produce(changes(random.Random(2), 50, 20, 500))
            await shows(page, "#state", "not ready")
            await shows(page, "#reasons", "the credentials have expired: renew them")
            await shows(page, "#errors", "nothing can be written until this is mended")
            assert "profile-0" not in await page.content()
            scripted.faults = Faults()
            while await page.inner_text("#state") != "ready":
                await asyncio.sleep(0.05)
            assert await page.is_hidden("#reasons-section")
        assert await member.stop() == 0
    finally:
        await member.kill()
    assert [each for each in problems if "ERR_" not in each] == []


async def test_the_page_fits_a_phone_has_a_dark_mode_and_loads_nothing_from_elsewhere(
    browser: Browser, kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    member = await Member(tmp_path, member_environ(kafka, topic, tmp_path, kinesis[1])).start()
    problems: list[str] = []
    try:
        async with aiohttp.ClientSession() as http:
            url = await url_of(member)
            await ready(http, url)
            async with http.get(url) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
            async with http.post(url) as answer:
                assert answer.status == 405
            phone = await opened(
                browser, url, problems, viewport={"width": 360, "height": 740}, color_scheme="dark"
            )
            await shows(phone, "#state", "ready")
            assert await phone.evaluate("document.documentElement.scrollWidth") <= 360
            dark = await phone.evaluate("getComputedStyle(document.body).backgroundColor")
            light = await opened(browser, url, problems, color_scheme="light")
            assert await light.evaluate("getComputedStyle(document.body).backgroundColor") != dark
            # The policy holds: what is injected does not run, nor can it be made.
            ran = await light.evaluate(
                "() => { const s = document.createElement('script'); s.append('window.ran = 1');"
                " document.body.append(s); return window.ran === 1 }"
            )
            assert not ran
        refusals = ("Content Security Policy", "TrustedScript", "could not be executed")
        assert problems == [each for each in problems if any(refusal in each for refusal in refusals)]
        assert await member.stop() == 0
    finally:
        await member.kill()


async def test_a_page_that_is_left_open_says_that_the_service_is_gone_and_goes_on_after_a_restart(
    browser: Browser, kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    environ = member_environ(kafka, topic, tmp_path, kinesis[1])
    member = await Member(tmp_path, environ).start()
    try:
        url = await url_of(member)
        page = await opened(browser, url, [])
        await shows(page, "#freshness", "live")
        await shows(page, "#state", "ready")
        os.kill(member.process.pid, signal.SIGKILL)
        await shows(page, "#state", "unreachable")
        await shows(page, "#freshness", "nothing heard")
        assert await page.get_attribute("#state", "class") == "state bad"
        assert await page.title() == "? chaos"
        assert await page.get_attribute("link[rel=icon]", "href") == "icon-unknown.svg"
        await member.process.wait()
        port = url.rpartition(":")[2]
        member = await Member(tmp_path, {**environ, "PROCESSOR_HTTP_PORT": port}).start()
        await shows(page, "#freshness", "live")
        while await page.title() != "chaos":
            await asyncio.sleep(0.05)
        assert await page.get_attribute("#state", "class") == "state good"
        assert await page.get_attribute("link[rel=icon]", "href") == "icon.svg"
        assert await member.stop() == 0
    finally:
        await member.kill()
