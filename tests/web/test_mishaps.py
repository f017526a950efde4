"""What befalls people on the page: double clicks, a token that ends, names that turn sentences about, others who answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from processor.definition.model import Definition
from tests.support.dataflows import flow_body, segment_selector, whole_definition
from tests.support.hands import reads
from tests.support.served_api import TOKEN
from tests.support.signed_in import FLOW, GOLD, PREFIX, defined_api, signed_in

if TYPE_CHECKING:
    from playwright.async_api import Browser, Request, Route

pytestmark = [pytest.mark.needs("chromium")]

PHONE: Final = {"width": 360, "height": 780}
LONG: Final = 12
"""Looks: an idle service is looked at four times."""
TURNING: Final = "\u202etnednepedni\u2066"


async def test_a_double_click_leads_to_the_next_step_and_not_away_from_all_that_was_chosen(
    browser: Browser,
) -> None:
    with defined_api() as (served, _):
        # Of such a size that a link at the page's end comes to stand where the button was.
        hands = await signed_in(browser, served.url, "Activate", viewport={"width": 360, "height": 800})
        await hands.press("button", "Next: attributes")
        await reads(hands, "Step 2 of 3")
        await hands.part("button", "Next: review").dblclick()
        await reads(hands, "Step 3 of 3")
        assert hands.problems == []


async def test_a_double_click_on_a_button_is_none_on_what_comes_to_stand_in_its_place(
    browser: Browser,
) -> None:
    with defined_api(Definition()) as (served, beside):
        hands = await signed_in(browser, served.url, "Connect", viewport=PHONE)
        await hands.press("button", "Set up")
        await hands.write("Region", "eu-west-1")
        await hands.part("button", "Connect to destination").dblclick()
        await reads(hands, "Step 2 of 3", "Authentication")
        assert len(beside.call("GET", "/flowservice/connections")["items"]) == 1


async def test_what_somebody_is_asked_goes_with_the_token(browser: Browser) -> None:
    with defined_api() as (served, _):
        hands = await signed_in(browser, served.url, "Destination")
        await hands.press("button", "Take off Gold members")
        await reads(hands, "Take the segment “Gold members” off?")

        async def unknown(route: Route) -> None:
            await route.fulfill(status=401, json={"detail": "unknown"})

        await hands.page.route(f"**{PREFIX}/**", unknown)
        await reads(hands, "The service does not know the token any more")
        assert await hands.page.get_by_role("dialog").count() == 1
        assert "Gold members" not in await hands.text()


async def test_whoever_closes_the_question_for_a_token_is_not_signed_in_by_a_late_answer(
    browser: Browser,
) -> None:
    with defined_api() as (served, _):
        hands = await signed_in(browser, served.url)
        await hands.press("button", "Sign out")
        held: list[Route] = []
        await hands.page.route("**/processor/token", lambda route: held.append(route))  # noqa: PLW0108  a method of a list takes no marks
        await hands.press("button", "Sign in")
        await hands.write("Token", TOKEN)
        async with hands.page.expect_request("**/processor/token"):
            await hands.keys("Enter")
        await hands.keys("Escape")
        while not held:
            await asyncio.sleep(0.01)
        async with hands.page.expect_response("**/processor/token"):
            await held[0].continue_()
        # What is asked for anew stays: nobody has come to be signed in meanwhile.
        await hands.press("button", "Sign in")
        await reads(hands, "This page keeps it in memory")
        assert await hands.page.get_by_role("link", name="Destination").count() == 0
        assert await hands.part("button", "Sign out").count() == 0


async def test_a_name_cannot_turn_about_the_sentence_that_it_stands_in(browser: Browser) -> None:
    flow = flow_body([segment_selector(GOLD, name=TURNING)], [])
    with defined_api(whole_definition(flow={**flow, "name": TURNING})) as (served, _):
        hands = await signed_in(browser, served.url, "Destination")
        await reads(hands, "�tnednepedni�")
        await hands.press("link", "Activate")
        await reads(hands, "“�tnednepedni�” is to export")
        assert not set(TURNING[0] + TURNING[-1]) & set(await hands.text())


async def test_who_answers_for_the_service_has_kept_nothing(browser: Browser) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")
        await reads(hands, "Gold members")

        async def portal(route: Route) -> None:
            if route.request.method == "PATCH":
                await route.fulfill(
                    status=200, content_type="text/html", body="<h1>Welcome to our network</h1>"
                )
            else:
                await route.continue_()

        await hands.page.route(f"**{PREFIX}/flowservice/flows/*", portal)
        await hands.press("button", "Rename")
        await hands.write("Name", "Another")
        await hands.keys("Enter")
        await reads(hands, "The connection broke before the service had the change. Nothing was changed")
        assert beside.one("/flowservice/flows/flow")["name"] != "Another"
        assert hands.problems == []


async def test_what_another_tab_keeps_with_the_same_token_is_not_taken_for_ones_own(browser: Browser) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Connect")
        await hands.press("button", "Change the set-up")
        await hands.press("button", "Next")
        await hands.write("Name", "Of this tab")

        async def lost(route: Route) -> None:
            if route.request.method == "PATCH":
                beside.patch("/flowservice/flows/flow", _named("Of another tab"))
                await route.abort("connectionreset")
            else:
                await route.continue_()

        await hands.page.route(f"**{PREFIX}/flowservice/flows/*", lost)
        await hands.press("button", "Change the destination")
        shown = await reads(hands, "Not connected yet")
        assert "though the answer was lost" not in shown
        assert beside.one("/flowservice/flows/flow")["name"] == "Of another tab"


async def test_whoever_leaves_with_choices_that_are_not_kept_is_asked_before(browser: Browser) -> None:
    with defined_api() as (served, _):
        hands = await signed_in(browser, served.url, "Activate")
        asked: list[str] = []

        async def stay(dialog: Any) -> None:
            asked.append(dialog.type)
            await dialog.dismiss()

        hands.page.on("dialog", stay)
        await hands.press("checkbox", "Gold members")
        await reads(hands, "to be unmapped: 1")
        await hands.press("link", "readyz")
        await reads(hands, "to be unmapped: 1")
        assert asked == ["beforeunload"]
        await hands.press("checkbox", "Gold members")
        await reads(hands, "Nothing is changed yet")
        await hands.press("link", "readyz")
        await hands.page.wait_for_url("**/readyz")
        assert asked == ["beforeunload"]


def _named(name: str) -> dict[str, str]:
    return {"op": "replace", "path": "/name", "value": name}


async def test_a_change_that_is_kept_long_after_its_answer_was_lost_is_not_told_as_lost(
    browser: Browser,
) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")
        sent: list[Request] = []
        asked = 0

        async def losing(route: Route) -> None:
            if route.request.method == "PATCH":
                sent.append(route.request)
                await route.abort("connectionreset")
            else:
                await route.continue_()

        async def telling(route: Route) -> None:
            # For longer than an idle service is looked at: it says that it has a change in its hands.
            nonlocal asked
            asked += bool(sent)
            is_kept = asked >= LONG
            if asked == LONG:
                body, etag = sent[0].post_data_json, sent[0].headers["if-match"]
                await asyncio.to_thread(beside.call, "PATCH", FLOW, body, **{"If-Match": etag})
            answer = await route.fetch()
            headers = {**answer.headers, "x-changes-under-way": "0" if is_kept else "1"}
            await route.fulfill(response=answer, headers=headers)

        await hands.page.route(f"**{PREFIX}{FLOW}", losing)
        await hands.page.route("**/processor/token", telling)
        await hands.press("button", "Rename")
        await hands.write("Name", "Late")
        await hands.page.get_by_role("dialog").get_by_role("button", name="Rename").click()
        told = await reads(hands, "The answer was lost on its way; the change was kept all the same.")
        assert "The connection broke before" not in told
        assert (len(sent), beside.one(FLOW)["name"]) == (1, "Late")
