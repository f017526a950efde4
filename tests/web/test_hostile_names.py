"""Names that whoever writes to the topic chose to harm whoever looks at the page: they are text, wherever they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.guided import HOSTILE, guided, hostile_sample
from tests.support.hands import ChromiumHands, reads
from tests.support.journey import sign_in

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from tests.support.guided import Guided

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]

# What no markup of the page's own has: parts that load, run, or are run by something, beside those of its head.
FOREIGN: Final = """() => {
  const own = (part) => part.matches("script[type=module][src^='page/']");
  const parts = [...document.querySelectorAll("script, img, iframe, object, embed, base, svg script, [srcdoc]")];
  const handlers = [...document.querySelectorAll("*")].filter((part) => [...part.attributes].some(({ name }) => name.startsWith("on")));
  const links = [...document.links].filter(({ protocol }) => !["http:", "https:"].includes(protocol));
  return [...parts.filter((part) => !own(part)), ...handlers, ...links].map((part) => part.outerHTML);
}"""


async def unharmed(page: Page) -> None:
    assert await page.evaluate("window.ran === undefined")
    assert await page.evaluate("({}).polluted === undefined && Object.keys(Object.prototype).length === 0")
    assert await page.evaluate(FOREIGN) == []


async def test_hostile_segments_and_attributes_are_text_from_the_sample_to_the_record(
    browser: Browser, kafka: str, topic: str, tmp_path: Path
) -> None:
    async with guided(kafka, topic, tmp_path, hostile_sample()) as service:
        await service.connected()
        hands = ChromiumHands(await browser.new_page())
        await sign_in(hands, service)
        await hands.press("link", "Activate")
        shown = await reads(hands, *(" ".join(name.split()) for name in HOSTILE[:8]))
        assert "constructor" in shown
        await unharmed(hands.page)
        await hands.press("button", "Choose all that are shown")
        await hands.press("button", "Next: attributes")
        await reads(hands, "onerror=")
        await unharmed(hands.page)
        await hands.press("button", "Next: review")
        await reads(hands, "What changes", "onerror=")
        await unharmed(hands.page)
        await hands.press("button", "Finish")
        await reads(hands, "Activated")
        await unharmed(hands.page)
        await hands.press("link", "Destination")
        await reads(hands, "onerror=")
        await unharmed(hands.page)
        await hands.press("link", "Status")
        await reads(hands, "What governance lets through", "onerror=")
        await unharmed(hands.page)
        # A policy that stops something is an attempt that came as far as to be stopped.
        assert hands.problems == []
        flow = (await service.api.call("GET", "/flows", status=200))[0]["items"][0]
        selectors = flow["transformations"][0]["params"]["segmentSelectors"]["selectors"]
        assert {each["value"]["id"] for each in selectors} == set(HOSTILE)


async def test_hostile_names_of_objects_policies_and_actions_are_text(
    browser: Browser, kafka: str, topic: str, tmp_path: Path
) -> None:
    hostile = HOSTILE[0]
    async with guided(kafka, topic, tmp_path) as service:
        flow = await service.connected("one")
        await service.api.patch(
            f"/flows/{flow}",
            {"op": "replace", "path": "/name", "value": hostile},
            {"op": "add", "path": "/description", "value": HOSTILE[1]},
        )
        hands = ChromiumHands(await browser.new_page())
        await sign_in(hands, service)
        for view in ("Destination", "Connect", "Activate"):
            await hands.press("link", view)
            await reads(hands, hostile)
            await unharmed(hands.page)
        assert hands.problems == []


ATTEMPTS: Final = {
    "markup": "document.body.innerHTML = '<b>x</b>'",
    "markup beside": "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
    "a script's text": "document.createElement('script').text = 'window.ran = 1'",
    "a script's source": "document.createElement('script').src = '/page/main.js?x'",
    "a frame's text": "document.createElement('iframe').srcdoc = '<b>x</b>'",
    "a written document": "document.write('<b>x</b>')",
    "a parsed document": "new DOMParser().parseFromString('<b>x</b>', 'text/html')",
    "a handler's text": "document.body.setAttribute('onclick', 'window.ran = 1')",
    "a text that is run": "eval('window.ran = 1')",
    "a function of a text": "new Function('window.ran = 1')()",
    "a timer of a text": "setTimeout('window.ran = 1')",
}
"""What would make a text into more than one, by its name: each is refused, whoever's script of the page does it."""


async def test_the_page_s_own_scripts_cannot_make_markup_or_scripts_of_texts(
    browser: Browser, service: Guided
) -> None:
    page = await browser.new_page()
    await page.goto(service.url)
    for what, attempt in ATTEMPTS.items():
        # In a turn of its own: what the browser's tools evaluate at once is excused from the policy.
        told = await page.evaluate(
            f"""() => new Promise((resolve) => setTimeout(() => {{
              try {{ {attempt}; resolve("nothing stopped it"); }} catch (error) {{ resolve(error.name); }}
            }}))"""
        )
        assert told in {"TypeError", "EvalError"}, (what, told)
    await unharmed(page)
