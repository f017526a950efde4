"""Signing in with a token of the API: what it opens, and that the token is nowhere but in the page's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.hands import ChromiumHands, reads
from tests.support.served_api import READ_TOKEN, TOKEN
from tests.support.signed_in import PREFIX, defined_api, sign_in, signed_in

if TYPE_CHECKING:
    from playwright.async_api import Browser, Request

pytestmark = [pytest.mark.timeout(90), pytest.mark.needs("chromium")]


async def test_without_a_token_there_is_the_status_alone_and_a_way_to_sign_in(browser: Browser) -> None:
    with defined_api() as (served, _):
        hands = ChromiumHands(await browser.new_page())
        calls: list[str] = []
        hands.page.on("request", lambda request: calls.append(request.url))
        await hands.open(f"{served.url}#destination")
        await hands.part("button", "Sign in").wait_for()
        assert "How far behind" in await hands.text()
        assert "Campaign" not in await hands.text()
        assert await hands.page.get_by_role("navigation").count() == 0
        assert not [each for each in calls if PREFIX in each]
        assert hands.problems == []


async def test_a_token_opens_the_views_and_is_kept_nowhere(browser: Browser) -> None:
    with defined_api() as (served, _):
        sent: list[Request] = []
        context = await browser.new_context()
        context.on("request", lambda request: sent.extend([request]))
        hands = ChromiumHands(await context.new_page())
        await hands.open(served.url)
        await sign_in(hands, TOKEN)
        await hands.press("link", "Destination")
        await reads(hands, "Campaign", "Signed in: ")
        page = hands.page
        for place in ("document.documentElement.outerHTML", "location.href", "document.cookie"):
            assert TOKEN not in await page.evaluate(place), place
        values = await page.evaluate("[...document.querySelectorAll('input')].map((each) => each.value)")
        assert TOKEN not in values
        assert await page.evaluate("localStorage.length + sessionStorage.length") == 0
        assert await page.evaluate("indexedDB.databases().then((all) => all.length)") == 0
        assert await page.evaluate("caches.keys().then((all) => all.length)") == 0
        assert await context.cookies() == []
        called = [request for request in sent if PREFIX in request.url]
        assert called
        for request in sent:
            assert TOKEN not in request.url
            assert TOKEN not in (request.post_data or "")
            has_it = TOKEN in (await request.all_headers()).get("authorization", "")
            assert has_it == (PREFIX in request.url)
        # Gone with the page: who comes to it anew has to sign in.
        await page.reload()
        await hands.part("button", "Sign in").wait_for()
        assert "Campaign" not in await hands.text()
        assert hands.problems == []


async def test_a_token_that_is_none_is_told_beside_its_field_which_is_empty_again(browser: Browser) -> None:
    with defined_api() as (served, _):
        hands = ChromiumHands(await browser.new_page())
        await hands.open(served.url)
        await sign_in(hands, "no-token-of-anybody-1")
        await reads(hands, "The service does not know this token.")
        field = hands.field("Token")
        assert await field.input_value() == ""
        assert await field.get_attribute("aria-invalid") == "true"
        described = await field.get_attribute("aria-describedby")
        assert described is not None
        assert "token-error" in described.split()
        assert await hands.page.evaluate("document.activeElement.id") == "token"
        await hands.keys(*"two words", "Enter")
        await reads(hands, "A token has no blanks")
        await hands.write("Token", TOKEN)
        await hands.keys("Enter")
        await hands.part("link", "Destination").wait_for()
        assert await hands.page.get_by_role("dialog").count() == 0


async def test_signing_out_leaves_nothing_that_the_token_has_let_anybody_read(browser: Browser) -> None:
    with defined_api() as (served, _):
        hands = await signed_in(browser, served.url, "Destination")
        await reads(hands, "Campaign", "Gold members")
        await hands.press("button", "Sign out")
        await reads(hands, "How far behind", without="Gold members")
        content = await hands.page.content()
        assert "Gold members" not in content
        assert "Campaign" not in content
        assert await hands.page.evaluate("document.activeElement.textContent") == "Sign in"


async def test_a_token_that_ends_meanwhile_ends_the_session_and_says_so(browser: Browser) -> None:
    with defined_api() as (served, _):
        hands = await signed_in(browser, served.url, "Destination")
        await reads(hands, "Gold members")
        await hands.page.route(f"**{PREFIX}/**", lambda route: route.fulfill(status=401))
        await hands.press("button", "Rename")
        await hands.write("Name", "Another name")
        await hands.keys("Enter")
        await reads(hands, "The service does not know the token any more.", without="Gold members")


async def test_a_token_that_reads_sees_what_is_in_force_and_is_told_why_it_may_change_nothing(
    browser: Browser,
) -> None:
    with defined_api() as (served, _):
        hands = await signed_in(browser, served.url, "Destination", READ_TOKEN)
        await reads(hands, "Gold members", "Your token may read, and change nothing.", "exported")
        for name in ("Rename", "Disable", "Edit marketing actions", "Take off Gold members"):
            assert await hands.part("button", name).is_disabled(), name
        assert await hands.part("link", "Add segments or attributes").count() == 0
