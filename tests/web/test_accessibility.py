"""Who cannot see the page, or uses no mouse: what axe-core finds wrong with each view, in light and dark, at a desk and on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import pytest

from tests.support.axe import found_wrong
from tests.support.hands import ChromiumHands, reads

if TYPE_CHECKING:
    from playwright.async_api import Browser, ViewportSize

    from tests.support.guided import Guided

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240), pytest.mark.needs("chromium", "axe-core")]

PHONE: Final[ViewportSize] = {"width": 360, "height": 740}
DESK: Final[ViewportSize] = {"width": 1100, "height": 800}
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
