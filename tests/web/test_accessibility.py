"""Who cannot see the page, or uses no mouse: what axe-core finds wrong with each view, in light and dark, at a desk and on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import pytest

from tests.support.axe import found_wrong
from tests.support.defined import TOKEN
from tests.support.guided import LIKELY, NAMES
from tests.support.hands import ChromiumHands, reads
from tests.support.journey import (
    NAME,
    authentication,
    choose_attributes,
    choose_segments,
    finish,
    give_account,
)

if TYPE_CHECKING:
    from playwright.async_api import Browser, ViewportSize

    from tests.support.guided import Guided

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium", "axe-core")]

PHONE: Final[ViewportSize] = {"width": 360, "height": 740}
DESK: Final[ViewportSize] = {"width": 1100, "height": 800}
# A label leads to the first of them, which may be hidden in another view.
TWICE: Final = """() => {
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  return [...new Set(ids.filter((id, place) => ids.indexOf(id) !== place))];
}"""
Scheme = Literal["light", "dark"]


async def seen(browser: Browser, service: Guided, scheme: Scheme, size: ViewportSize) -> ChromiumHands:
    page = await browser.new_page(color_scheme=scheme, viewport=size, reduced_motion="reduce")
    hands = ChromiumHands(page)
    await hands.open(service.url)
    await reads(hands, "live", "ready")
    return hands


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_wrong_with_the_status(browser: Browser, service: Guided, scheme: Scheme) -> None:
    await service.connected("one")
    for size in (DESK, PHONE):
        hands = await seen(browser, service, scheme, size)
        await reads(hands, "restored")
        assert await found_wrong(hands.page) == []


class Looks:
    """Looks at a page with axe again and again, and for whether it fits."""

    def __init__(self, hands: ChromiumHands, size: ViewportSize) -> None:
        self.wrong: dict[str, list[str]] = {}
        """By step."""
        self._hands = hands
        self._width = size["width"]

    async def at(self, step: str, *texts: str) -> None:
        """Look as soon as it can be seen that this step has come."""
        await reads(self._hands, *texts)
        found = await found_wrong(self._hands.page)
        width = await self._hands.page.evaluate("document.documentElement.scrollWidth")
        found += [f"the id {each} is given twice" for each in await self._hands.page.evaluate(TWICE)]
        if width > self._width:
            found.append(f"it is {width} pixels wide")
        if found:
            self.wrong[step] = found


@pytest.mark.parametrize(("scheme", "size"), [("light", DESK), ("dark", PHONE)], ids=["desk", "dark phone"])
async def test_nothing_is_wrong_on_any_step_of_the_whole_way(
    browser: Browser, service: Guided, scheme: Scheme, size: ViewportSize
) -> None:
    hands = await seen(browser, service, scheme, size)
    looks = Looks(hands, size)
    await through_signing_in(hands, looks)
    await through_connecting(hands, looks, service)
    await through_activating(hands, looks)
    assert looks.wrong == {}


async def through_signing_in(hands: ChromiumHands, looks: Looks) -> None:
    await hands.press("button", "Sign in")
    await looks.at("signing in", "Token")
    await hands.write("Token", "an-unknown-token-0123456")
    await hands.keys("Enter")
    await looks.at("a token that is not known", "does not know this token")
    await hands.write("Token", TOKEN)
    await hands.keys("Enter")
    await hands.press("link", "Destination")
    await looks.at("no destination", "Nothing is set up yet")
    await hands.press("link", "Activate")
    await looks.at("nothing to activate", "There is no dataflow yet")


async def through_connecting(hands: ChromiumHands, looks: Looks, service: Guided) -> None:
    await hands.press("link", "Connect")
    await looks.at("the catalogue", "Not set up")
    await hands.press("button", "Set up")
    await hands.press("radio", "Access key and secret key")
    await hands.unfold("Advanced")
    await hands.press("button", "Connect to destination")
    await looks.at("an account with errors", "The access key id is needed")
    await give_account(hands, service)
    await hands.write("Name", NAME)
    await hands.write("Stream", "nowhere")
    await looks.at("a stream that is not there", "There is no stream nowhere")
    await authentication(hands)
    await looks.at("connected")


async def through_activating(hands: ChromiumHands, looks: Looks) -> None:
    await hands.press("button", "Activate segments")
    await looks.at("segments", NAMES[LIKELY])
    await choose_segments(hands, NAMES[LIKELY])
    await looks.at("attributes", "Search attributes")
    await choose_attributes(hands, "person.email")
    await looks.at("the review", "Records as they will be")
    await finish(hands, "No backfill is due")
    await looks.at("the progress")
    await hands.press("link", "Destination")
    await looks.at("the destination", "segment mapped")
    await hands.press("button", f"Take off {NAMES[LIKELY]}")
    await looks.at("taking a segment off", "It is the last segment")
