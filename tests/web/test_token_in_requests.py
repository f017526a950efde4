"""The token goes to the API alone, in one header."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.hands import ChromiumHands, reads
from tests.support.served_api import TOKEN
from tests.support.signed_in import PREFIX, defined_api, sign_in

if TYPE_CHECKING:
    from playwright.async_api import Browser, Request

pytestmark = [pytest.mark.needs("chromium")]


async def test_requests_of_the_api_have_the_token_in_their_header_and_no_others_have_it(
    browser: Browser,
) -> None:
    with defined_api() as (served, _):
        sent: list[Request] = []
        context = await browser.new_context()
        context.on("request", lambda request: sent.extend([request]))
        hands = ChromiumHands(await context.new_page())
        await hands.open(served.url)
        await sign_in(hands, TOKEN)
        for view in ("Destination", "Connect", "Activate", "Status"):
            await hands.press("link", view)
        await hands.press("link", "Destination")
        await reads(hands, "Campaign")
        assert [request for request in sent if PREFIX in request.url]
        for request in sent:
            assert TOKEN not in request.url
            assert TOKEN not in (request.post_data or "")
            has_it = TOKEN in (await request.all_headers()).get("authorization", "")
            assert has_it == (PREFIX in request.url)
