"""Signing in on the page: what a token opens, and that nobody else gets at it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.defined import TOKEN
from tests.support.guided import READ_TOKEN, guided
from tests.support.hands import ChromiumHands, reads
from tests.support.journey import sign_in
from tests.support.members import Member, member_environ
from tests.support.observation import url_of
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from tests.support.guided import Guided

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]

VIEWS: Final = ["Status", "Destination", "Connect", "Activate"]

# All places where a page may leave a text behind, and what a script that got in could read.
TRACES: Final = """async () => {
  const databases = (await indexedDB.databases()).map(({ name }) => name);
  const caches_ = await caches.keys().catch(() => []);
  const values = [...document.querySelectorAll("input, textarea, select")].map(({ value }) => value);
  const globals = Object.keys(window).map((name) => { try { return `${name}=${window[name]}`; } catch { return name; } });
  return JSON.stringify([
    document.documentElement.outerHTML, location.href, document.cookie, document.title, window.name, history.state,
    { ...localStorage }, { ...sessionStorage }, databases, caches_, values, globals,
    performance.getEntries().map(({ name }) => name),
  ]);
}"""


async def views(page: Page) -> list[str]:
    return await page.get_by_role("navigation").get_by_role("link").all_inner_texts()


async def test_without_a_token_the_page_is_the_status_alone(browser: Browser, service: Guided) -> None:
    hands = ChromiumHands(await browser.new_page())
    await hands.open(f"{service.url}#activate")
    await reads(hands, "live", "What is defined", "Sign in")
    assert await views(hands.page) == []
    assert "Destination" not in await hands.text()
    assert hands.problems == []


async def test_without_the_api_nothing_is_offered(
    browser: Browser, kafka: str, topic: str, tmp_path: Path
) -> None:
    async with served(ScriptedKinesis(random.Random(5))) as kinesis_url:
        environ = member_environ(kafka, topic, tmp_path, kinesis_url)
        await nothing_is_offered(browser, await Member(tmp_path, environ).start())


async def nothing_is_offered(browser: Browser, member: Member) -> None:
    try:
        hands = ChromiumHands(await browser.new_page())
        await hands.open(await url_of(member))
        await reads(hands, "live", "ready", without="Sign in")
        assert hands.problems == []
        assert await member.stop() == 0
    finally:
        await member.kill()


async def test_a_token_is_asked_for_checked_and_what_is_wrong_with_it_is_said_beside_the_field(
    browser: Browser, service: Guided
) -> None:
    hands = ChromiumHands(await browser.new_page())
    await hands.open(service.url)
    await hands.press("button", "Sign in")
    token = hands.field("Token")
    for given, told in (
        ("", "Give the token."),
        ("with blanks", "A token has no blanks"),
        ("an-unknown-token-0123456", "does not know this token"),
    ):
        await hands.write("Token", given)
        await hands.keys("Enter")
        await reads(hands, told)
        assert await token.get_attribute("aria-invalid") == "true"
        described = await token.get_attribute("aria-describedby") or ""
        texts = [await hands.page.inner_text(f"#{each}") for each in described.split()]
        assert told in " ".join(texts)
        assert await token.evaluate("(field) => field === document.activeElement")
    await hands.write("Token", TOKEN)
    await hands.keys("Enter")
    await reads(hands, "Sign out")
    assert await views(hands.page) == VIEWS
    # The browser itself tells its console of the call that was refused.
    assert [each for each in hands.problems if "401" not in each] == []


async def test_the_token_is_nowhere_that_a_script_or_a_later_user_could_find_it(
    browser: Browser, service: Guided
) -> None:
    context = await browser.new_context()
    hands = ChromiumHands(await context.new_page())
    await sign_in(hands, service)
    for view in VIEWS:
        await hands.press("link", view)
        assert TOKEN not in await hands.page.evaluate(TRACES)
    assert TOKEN not in str(await context.storage_state(indexed_db=True))
    # Another tab knows nothing of it, and this one nothing after it was loaded anew.
    other = ChromiumHands(await context.new_page())
    await other.open(service.url)
    await reads(other, "live", "Sign in", without="Sign out")
    await hands.page.reload()
    await reads(hands, "live", "Sign in", without="Sign out")
    assert hands.problems == []


async def test_signing_out_leaves_nothing_of_what_was_read(browser: Browser, service: Guided) -> None:
    await service.connected("one")
    hands = ChromiumHands(await browser.new_page())
    await sign_in(hands, service)
    await hands.press("link", "Destination")
    await reads(hands, "profile-exports", "History")
    await hands.press("button", "Sign out")
    await reads(hands, "live", "Sign in")
    assert await views(hands.page) == []
    assert "target" not in await hands.page.content()
    await hands.page.go_back()
    await reads(hands, "live", "Sign in")


async def test_a_token_that_only_reads_sees_what_is_in_force_and_is_told_why_it_changes_nothing(
    browser: Browser, service: Guided
) -> None:
    await service.connected("one")
    hands = ChromiumHands(await browser.new_page())
    await sign_in(hands, service, READ_TOKEN)
    for view in VIEWS[1:]:
        await hands.press("link", view)
        await reads(hands, "may", "read")
        main = hands.page.get_by_role("main")
        for control in await main.locator("button:visible, input:visible").all():
            name = await control.inner_text() or await control.get_attribute("name") or ""
            if await control.is_enabled():
                await control.click()
                # Whatever can still be pressed opens, searches or leads on: it sends no change.
                assert hands.changes == [], f"{view}: {name}"
    assert hands.changes == []
    assert hands.problems == []


async def test_where_the_token_is_taken_back_the_tab_is_signed_out_and_says_so(
    browser: Browser, kafka: str, topic: str, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN)
    async with guided(kafka, topic, tmp_path, api_token="", api_token_file=str(tokens)) as service:
        hands = ChromiumHands(await browser.new_page())
        await sign_in(hands, service)
        tokens.write_text("another-token-of-the-tests-98765")
        await hands.press("link", "Destination")
        await reads(hands, "The service does not know the token any more")
        await hands.write("Token", "another-token-of-the-tests-98765")
        await hands.keys("Enter")
        await reads(hands, "Sign out")
