"""What a site of another origin tries, in the browser of somebody who has the page open: each thing, and nothing comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.defined import TOKEN
from tests.support.elsewhere import elsewhere
from tests.support.hands import chromium

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.support.guided import Guided

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]

FLOWS = "/data/foundation/flowservice/flows"
READS = ["/api/status", "/metrics", FLOWS, "/data/foundation/processor/token", "/"]

# Whatever a call ends with is a text; an opaque answer has no status and no body.
ASK = """async ([url, how]) => {
  try {
    const answer = await fetch(url, how);
    return `${answer.type} ${answer.status} ${await answer.text()}`;
  } catch (error) { return `failed ${error.name}`; }
}"""


async def flow_of(service: Guided, flow: str) -> Any:
    return (await service.api.call("GET", f"/flows/{flow}", status=200))[0]


async def test_another_origin_reads_nothing_whatever_it_knows(browser: Browser, service: Guided) -> None:
    flow = await service.connected("one")
    async with elsewhere() as origin:
        page = await browser.new_page()
        await page.goto(origin)
        assert await page.evaluate(ASK, [f"{origin}/another", {}]) != "failed TypeError"
        for path in READS:
            for how in (
                {},
                {"mode": "no-cors"},
                {"credentials": "include"},
                {"headers": {"Authorization": f"Bearer {TOKEN}"}},
            ):
                told = await page.evaluate(ASK, [service.url + path, how])
                assert told == "failed TypeError", (path, how, told)
        for tag, attribute in (("script", "src"), ("img", "src"), ("link", "href"), ("object", "data")):
            told = await page.evaluate(
                """([tag, attribute, url]) => new Promise((resolve) => {
                  const part = document.createElement(tag);
                  if (tag === "link") part.rel = "stylesheet";
                  part.onload = () => resolve("loaded");
                  part.onerror = () => resolve("refused");
                  part[attribute] = url;
                  document.body.append(part);
                })""",
                [tag, attribute, f"{service.url}/api/status"],
            )
            assert told == "refused", tag
        heard = await page.evaluate(
            """(url) => new Promise((resolve) => {
              const events = new EventSource(url);
              events.onmessage = (event) => resolve(event.data);
              events.onerror = () => resolve("refused");
            })""",
            f"{service.url}/api/events",
        )
        assert heard == "refused"
    assert (await flow_of(service, flow))["items"]


async def test_another_origin_changes_nothing_by_forms_beacons_or_calls(
    browser: Browser, service: Guided
) -> None:
    flow = await service.connected("one")
    before = await flow_of(service, flow)
    action = f"{service.url}{FLOWS}/{flow}/action?op=disable"
    async with elsewhere() as origin:
        page = await browser.new_page()
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            await page.goto(origin)
            async with page.expect_navigation():
                await page.evaluate(
                    """([url, kind]) => {
                      const form = document.createElement("form");
                      Object.assign(form, { action: url, method: "post", enctype: kind });
                      const part = document.createElement("input");
                      Object.assign(part, { name: '{"a":"', value: '"}' });
                      form.append(part);
                      document.body.append(form);
                      form.submit();
                    }""",
                    [action, kind],
                )
            assert "401" in await page.inner_text("body"), kind
        await page.goto(origin)
        for how in (
            {"method": "POST", "mode": "no-cors"},
            {"method": "POST", "credentials": "include"},
            {"method": "POST", "headers": {"Authorization": f"Bearer {TOKEN}"}},
            {"method": "DELETE", "headers": {"Authorization": f"Bearer {TOKEN}"}},
        ):
            told = await page.evaluate(ASK, [action, how])
            assert told.startswith(("failed", "opaque 0")), (how, told)
        await page.evaluate("(url) => navigator.sendBeacon(url, '{}')", action)
    assert await flow_of(service, flow) == before


async def test_the_page_is_in_nobody_s_frame_and_leaves_its_opener_nothing(
    browser: Browser, service: Guided
) -> None:
    async with elsewhere() as origin:
        page = await browser.new_page()
        await page.goto(origin)
        for tag, attribute in (("iframe", "src"), ("object", "data"), ("embed", "src")):
            await page.evaluate(
                """([tag, attribute, url]) => new Promise((resolve) => {
                  const part = document.createElement(tag);
                  part.onload = part.onerror = resolve;
                  part[attribute] = url;
                  document.body.append(part);
                })""",
                [tag, attribute, service.url],
            )
        assert page.frames[1:]
        for frame in page.frames[1:]:
            assert not frame.url.startswith(service.url)
            assert await frame.query_selector("#state") is None
        async with page.expect_popup() as popup:
            await page.evaluate("(url) => { window.theirs = window.open(url) }", service.url)
        opened = await popup.value
        await opened.wait_for_load_state()
        assert await opened.query_selector("#state") is not None
        # Another group of browsing contexts: whoever opened it has no way to it.
        assert await page.evaluate("window.theirs.closed")
        assert await opened.evaluate("window.opener") is None


async def test_a_name_that_is_made_to_lead_here_gets_neither_page_nor_calls(service: Guided) -> None:
    port = service.url.rpartition(":")[2]
    async with chromium("--host-resolver-rules=MAP rebound.example 127.0.0.1") as browser:
        page = await browser.new_page()
        for path in ("/", "/api/status", FLOWS):
            answer = await page.goto(f"http://rebound.example:{port}{path}")
            assert answer is not None
            assert answer.status == 421
