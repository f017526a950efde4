"""What the page shows of the destination that is in force, and the changes that are made of it there, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from processor.definition.model import Definition
from processor.errors import KafkaRefused
from tests.support.dataflows import flow_body, segment_selector, whole_definition
from tests.support.hands import reads
from tests.support.signed_in import (
    FLOW,
    GOLD,
    PREFIX,
    SILVER,
    TARGET,
    defined_api,
    dialog_press,
    signed_in,
)

if TYPE_CHECKING:
    from playwright.async_api import Browser, Request, Route

    from tests.support.hands import ChromiumHands

pytestmark = [pytest.mark.needs("chromium")]

HOSTILE = "<img src=x onerror=\"window.ran='img'\">"
FLOWS = f"**{PREFIX}/flowservice/flows/*"


def mapped(flow: Any) -> tuple[list[str], list[str]]:
    """The segments and the attributes that a flow maps."""
    params = flow["transformations"][0]["params"]
    return (
        [each["value"]["id"] for each in params["segmentSelectors"]["selectors"]],
        [each["value"]["path"] for each in params["profileSelectors"]["selectors"]],
    )


async def facts(hands: ChromiumHands) -> dict[str, str]:
    """What the card says, by name."""
    found: dict[str, str] = await hands.page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.facts dt')]"
        ".map((each) => [each.textContent, each.nextElementSibling.textContent]))"
    )
    return found


def counted(hands: ChromiumHands, method: str) -> list[Request]:
    """The requests of this method from now on."""
    found: list[Request] = []
    hands.page.on("request", lambda request: found.append(request) if request.method == method else None)
    return found


async def test_it_shows_what_is_in_force_with_labels_and_what_governance_makes_of_it(
    browser: Browser,
) -> None:
    with defined_api() as (served, beside):
        beside.forbid("C2", "personalEmail.address", "partners")
        beside.patch(TARGET, {"op": "add", "path": "/params/marketingActions", "value": ["partners"]})
        hands = await signed_in(browser, served.url, "Destination")
        await reads(
            hands, "removed by “No C2 for partners” (partners)", "Enabled: changed profiles are exported"
        )
        told = await facts(hands)
        assert told["Stream"] == "exports"
        assert told["Region"] == "eu-west-1"
        assert told["Account"] == "Kinesis (Variables of the service: ${EXPORT_KEY_ID} and ${EXPORT_SECRET})"
        assert told["Marketing actions"] == "partners"
        assert told["Mapped"] == "2 segments and 2 attributes"
        assert told["Description"] == "For the winter"
        row = hands.page.get_by_role("row").filter(has_text="personalEmail.address")
        assert "C2" in await row.inner_text()
        assert hands.problems == []


async def test_where_nothing_is_set_up_it_says_so_and_leads_on(browser: Browser) -> None:
    with defined_api(Definition()) as (served, _):
        hands = await signed_in(browser, served.url, "Destination")
        await reads(hands, "Nothing is set up yet, so nothing is exported.")
        link = hands.part("link", "Connect to destination")
        assert await link.get_attribute("href") == "#connect"


async def test_a_segment_is_taken_off_after_it_was_said_what_consumers_will_see(browser: Browser) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")
        await reads(hands, "Gold members")
        await hands.press("button", "Take off Gold members")
        await reads(
            hands,
            "Take the segment “Gold members” off?",
            "no “exited” is sent for it",
            "have a policy forbid the segment first",
            "None of them would be sent a record for this.",
        )
        assert mapped(beside.one(FLOW))[0] == [GOLD, SILVER]
        await dialog_press(hands.page, "Take off")
        await reads(
            hands, "Gold members is taken off: no further record has it.", "1 segment and 2 attributes"
        )
        assert mapped(beside.one(FLOW)) == ([SILVER], ["personalEmail.address", "loyalty"])
        # The button that had the focus is gone: whoever goes by keyboard or ear goes on at what came of it.
        assert "is taken off" in await hands.page.evaluate("document.activeElement.textContent")
        await reads(hands, "segment unmapped: Gold members")
        await hands.press("button", f"Take off ups/{SILVER}")
        await reads(hands, "from then on nothing is exported at all")
        await hands.keys("Escape")
        assert await hands.page.get_by_role("dialog").count() == 0
        assert mapped(beside.one(FLOW))[0] == [SILVER]


async def test_an_attribute_is_taken_off(browser: Browser) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")
        await hands.press("button", "Take off loyalty")
        await reads(hands, "No record is sent for that alone")
        await dialog_press(hands.page, "Take off")
        await reads(hands, "loyalty is taken off", "2 segments and 1 attribute")
        assert mapped(beside.one(FLOW)) == ([GOLD, SILVER], ["personalEmail.address"])


async def test_it_is_renamed_disabled_and_enabled(browser: Browser) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")
        await hands.press("button", "Rename")
        await hands.write("Name", " ")
        await dialog_press(hands.page, "Rename")
        await reads(hands, "A dataflow has a name.")
        await hands.write("Name", "Summer")
        await hands.write("Description (optional)", "")
        await dialog_press(hands.page, "Rename")
        await reads(hands, "The dataflow is renamed.", "dataflow “Summer” changed")
        assert "description" not in beside.one(FLOW)
        await hands.press("button", "Disable")
        await reads(hands, "Nothing is exported until it is enabled again.")
        await dialog_press(hands.page, "Disable")
        await reads(hands, "The dataflow is disabled.", "Disabled: nothing is exported")
        assert beside.one(FLOW)["state"] == "disabled"
        await hands.press("button", "Enable")
        await dialog_press(hands.page, "Enable")
        await reads(hands, "The dataflow is enabled.", "Enabled: changed profiles are exported")
        assert beside.one(FLOW)["state"] == "enabled"
        assert hands.problems == []


async def test_marketing_actions_are_edited_beside_what_each_would_remove(browser: Browser) -> None:
    with defined_api() as (served, beside):
        beside.forbid("C2", "loyalty", "partners")
        hands = await signed_in(browser, served.url, "Destination")
        await hands.press("button", "Edit marketing actions")
        await reads(
            hands, "removes loyalty, by “No C2 for partners”", without="Looking at what each would remove"
        )
        mark = hands.page.locator("#destination-actions .choice").filter(has_text="analytics")
        assert "removes nothing of what is mapped" in await mark.inner_text()
        await hands.press("checkbox", "partners")
        await reads(hands, "By a sample of 1 profile")
        await dialog_press(hands.page, "Save")
        await reads(hands, "The marketing actions are saved.", "removed by “No C2 for partners” (partners)")
        assert beside.one(TARGET)["params"]["marketingActions"] == ["partners"]
        assert hands.problems == []


async def test_what_is_refused_is_said_where_it_was_asked_for_and_what_was_typed_stays(
    browser: Browser,
) -> None:
    with defined_api() as (served, beside):
        beside.forbid("C2", "loyalty", "partners")
        beside.call("PUT", "/dulepolicy/enforcement", {"enforcement": "block"})
        hands = await signed_in(browser, served.url, "Destination")
        await hands.press("button", "Edit marketing actions")
        await hands.press("checkbox", "partners")
        await reads(hands, "The service would refuse this.")
        await dialog_press(hands.page, "Save")
        await (
            hands.page.get_by_role("dialog").get_by_role("alert").get_by_text("No C2 for partners").wait_for()
        )
        assert await hands.part("checkbox", "partners").is_checked()
        assert "marketingActions" not in beside.one(TARGET)["params"]


@pytest.mark.parametrize("answer", ["again", "leave"])
async def test_where_somebody_else_was_first_the_difference_is_shown_and_it_is_asked_what_to_do(
    browser: Browser, answer: str
) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")
        await hands.press("button", "Rename")
        beside.patch(
            FLOW,
            {"op": "replace", "path": "/name", "value": "Somebody else's"},
            {
                "op": "add",
                "path": "/transformations/0/params/segmentSelectors/selectors/-",
                "value": segment_selector("new"),
            },
        )
        await hands.write("Name", "Mine")
        await dialog_press(hands.page, "Rename")
        await reads(hands, "Somebody else changed this meanwhile", "Somebody else's", "segment ups/new")
        table = hands.page.get_by_role("dialog").last.get_by_role("table")
        rows = [
            await each.get_by_role("cell").all_inner_texts() for each in await table.get_by_role("row").all()
        ]
        assert ["Campaign", "Somebody else's", "Mine"] in rows
        assert ["not there", "mapped", "mapped"] in rows
        if answer == "again":
            await dialog_press(hands.page, "Do mine on what is there now")
            await reads(hands, "The dataflow is renamed.")
            assert beside.one(FLOW)["name"] == "Mine"
        else:
            await dialog_press(hands.page, "Leave it as it is now")
            await reads(hands, "Nothing of yours was changed.")
            assert beside.one(FLOW)["name"] == "Somebody else's"
        assert mapped(beside.one(FLOW))[0] == [GOLD, SILVER, "new"]


async def test_a_change_whose_answer_is_lost_is_sent_once_and_found_again(browser: Browser) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")

        async def lose(route: Route) -> None:
            if route.request.method == "PATCH":
                await route.fetch()
                await route.abort()
            else:
                await route.continue_()

        await hands.page.route(FLOWS, lose)
        sent = counted(hands, "PATCH")
        await hands.press("button", "Take off loyalty")
        await dialog_press(hands.page, "Take off")
        await reads(
            hands, "The answer was lost on its way; the change was kept all the same.", "loyalty is taken off"
        )
        assert len(sent) == 1
        assert mapped(beside.one(FLOW))[1] == ["personalEmail.address"]


async def test_a_change_that_never_arrived_is_said_to_have_changed_nothing_and_can_be_made_then(
    browser: Browser,
) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")

        async def cut(route: Route) -> None:
            await (route.abort() if route.request.method == "PATCH" else route.continue_())

        await hands.page.route(FLOWS, cut)
        sent = counted(hands, "PATCH")
        await hands.press("button", "Rename")
        await hands.write("Name", "Mine")
        await dialog_press(hands.page, "Rename")
        await reads(hands, "Nothing was changed: try again.")
        assert len(sent) == 1
        assert await hands.field("Name").input_value() == "Mine"
        assert beside.one(FLOW)["name"] == "Campaign"
        await hands.page.unroute(FLOWS, cut)
        await dialog_press(hands.page, "Rename")
        await reads(hands, "The dataflow is renamed.")
        assert beside.one(FLOW)["name"] == "Mine"


async def test_a_button_whose_call_is_under_way_is_disabled_and_says_so(browser: Browser) -> None:
    with defined_api() as (served, _):
        hands = await signed_in(browser, served.url, "Destination")
        held: list[Route] = []

        async def hold(route: Route) -> None:
            if route.request.method == "PATCH":
                held.append(route)
            else:
                await route.continue_()

        await hands.page.route(FLOWS, hold)
        await hands.press("button", "Rename")
        await hands.write("Name", "Mine")
        await dialog_press(hands.page, "Rename")
        button = hands.part("button", "Renaming …")
        await button.wait_for()
        assert await button.is_disabled()
        await hands.page.get_by_role("dialog").get_by_label("Name", exact=True).press("Enter")
        (route,) = held
        await route.continue_()
        await reads(hands, "The dataflow is renamed.")
        assert len(held) == 1


async def test_what_another_tab_has_changed_shows_by_itself_and_the_history_says_who(
    browser: Browser,
) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")
        await reads(hands, "Campaign")
        beside.patch(FLOW, {"op": "replace", "path": "/name", "value": "From elsewhere"})
        await reads(
            hands, "From elsewhere", "dataflow “From elsewhere” changed", "name: Campaign → From elsewhere"
        )


async def test_names_of_any_kind_are_texts(browser: Browser) -> None:
    flow = flow_body([segment_selector(HOSTILE, name=HOSTILE)], [])
    with defined_api(whole_definition(flow={**flow, "name": HOSTILE, "description": HOSTILE})) as (served, _):
        hands = await signed_in(browser, served.url, "Destination")
        await reads(hands, HOSTILE)
        await hands.press("button", f"Take off {HOSTILE}")
        await reads(hands, f"Take the segment “{HOSTILE}” off?")
        assert await hands.page.evaluate("window.ran") is None
        assert await hands.page.locator("img").count() == 0


async def test_it_fits_a_phone_and_many_segments_can_be_searched(browser: Browser) -> None:
    flow = flow_body([segment_selector(f"segment-{number:03}") for number in range(500)], [])
    with defined_api(whole_definition(flow=flow)) as (served, _):
        phone: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
        hands = await signed_in(browser, served.url, "Destination", **phone)
        await reads(hands, "500 segments and 0 attributes", "segment-499")
        await hands.write("Search segments", "segment-07")
        await reads(hands, "10 of 500 shown", without="segment-499")
        assert await hands.page.evaluate("document.documentElement.scrollWidth") <= 360
        await hands.press("button", "Take off ups/segment-070")
        await reads(hands, "Take the segment")
        assert await hands.page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_where_the_service_cannot_keep_anything_it_says_why_and_that_nothing_was_changed(
    browser: Browser,
) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")
        await hands.press("button", "Disable")
        served.kept.fail = KafkaRefused("Kafka refuses to write: grant it")
        await dialog_press(hands.page, "Disable")
        await reads(hands, "Nothing can be changed meanwhile. Kafka refuses to write: grant it.")
        assert "is not known" not in await hands.text()
        served.kept.fail = None
        assert beside.one(FLOW)["state"] == "enabled"


async def test_a_service_that_is_gone_for_a_while_is_told_and_read_again(browser: Browser) -> None:
    with defined_api() as (served, beside):
        hands = await signed_in(browser, served.url, "Destination")
        await reads(hands, "Campaign")
        await hands.page.route(f"**{PREFIX}/**", lambda route: route.abort())
        await reads(hands, "What stands here may be out of date. The service does not answer just now.")
        beside.patch(FLOW, {"op": "replace", "path": "/name", "value": "Back again"})
        await hands.page.unroute_all()
        await reads(hands, "Back again", without="may be out of date")
