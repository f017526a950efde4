"""The activation, in a real browser over a service that runs: from the sample to the end of the backfill."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.defined import TOKEN, mapped
from tests.support.guided import LIKELY, NAMES, NEWSLETTER, READ_TOKEN, guided, large_sample
from tests.support.hands import ChromiumHands, reads
from tests.support.journey import choose_attributes, choose_segments, sign_in

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page, Route

    from tests.support.guided import Guided

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]

FLOWS: Final = "**/flowservice/flows/*"
LABELS: Final = {
    "fields": {"loyalty.points": ["C2"], "person.email": ["I1"]},
    "segments": [{"id": NEWSLETTER, "labels": ["C5"]}],
}
FORBIDS: Final = "No contracted data to partners"
POLICY: Final = {
    "name": FORBIDS,
    "status": "ENABLED",
    "marketingActionRefs": ["exportToThirdParty"],
    "deny": {"label": "C2"},
}
TOGETHER: Final = {
    "name": "Not both to partners",
    "status": "ENABLED",
    "marketingActionRefs": ["exportToThirdParty"],
    "deny": {"operator": "AND", "operands": [{"label": "C5"}, {"label": "I1"}]},
}


async def activating(browser: Browser, service: Guided, token: str = TOKEN, **how: Any) -> ChromiumHands:
    """On the first step of the activation, with the sample read."""
    hands = ChromiumHands(await browser.new_page(**how))
    await sign_in(hands, service, token)
    await hands.press("link", "Activate")
    await reads(hands, "From a sample of", without="not looked at yet")
    return hands


async def governed(service: Guided, *policies: Any, enforcement: str = "filter") -> None:
    """Have these policies, labels and marketing actions in force."""
    base = f"{service.url}/data/foundation/dulepolicy"
    headers = {"Authorization": f"Bearer {TOKEN}"}

    async def call(method: str, path: str, body: Any) -> None:
        etag = {}
        if method == "PUT":
            async with service.http.get(base + path, headers=headers) as answer:
                etag = {"If-Match": answer.headers["ETag"]} if "ETag" in answer.headers else {}
        async with service.http.request(method, base + path, json=body, headers=headers | etag) as answer:
            assert answer.status < 300, await answer.text()

    await call("PUT", "/labels", LABELS)
    for policy in policies:
        await call("POST", "/policies/custom", policy)
    await call("PUT", "/enforcement", {"enforcement": enforcement})
    target = (await service.api.call("GET", "/targetConnections", status=200))[0]["items"][0]
    await service.api.patch(
        f"/targetConnections/{target['id']}",
        {"op": "add", "path": "/params/marketingActions", "value": ["exportToThirdParty"]},
    )


async def maps(service: Guided) -> tuple[list[str], list[str]]:
    """The ids and the paths that the flow maps."""
    flow = (await service.api.call("GET", "/flows", status=200))[0]["items"][0]
    params = (flow.get("transformations") or [{}])[0].get("params", {})
    segments = params.get("segmentSelectors", {}).get("selectors", [])
    attributes = params.get("profileSelectors", {}).get("selectors", [])
    return [each["value"]["id"] for each in segments], [each["value"]["path"] for each in attributes]


async def exported(service: Guided, key: str, count: int) -> list[Any]:
    """The records of a profile, once there are so many."""
    while True:
        found = [json.loads(data) for at, data in service.kinesis.stored if at == key]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.02)


async def test_segments_and_attributes_are_activated_exported_backfilled_and_taken_off(
    browser: Browser, service: Guided
) -> None:
    await service.connected()
    hands = await activating(browser, service)
    told = await reads(hands, "Likely buyers", LIKELY, "9 (100 %)")
    assert "Newsletter readers" in told
    await choose_segments(hands, "Likely buyers")
    await reads(hands, "100 % of profiles", "@xxxxx")
    told = await hands.text()
    assert "yourstruly" not in told
    assert "someone" not in told
    await choose_attributes(hands, "person.email", "number")
    told = await reads(hands, "Worked out on the sample", "What changes", "Records as they will be")
    assert "Segments that are mapped anew\nLikely buyers" in told
    assert "Attributes that are unmapped\nnumber" in told
    assert "9\nlooked at" in told
    assert told.count('"status": "realized"') == 3
    assert "yourstruly" not in told
    assert await maps(service) == ([], ["number"])
    await hands.press("button", "Finish")
    await reads(hands, "Activated", "No backfill is due")
    assert await maps(service) == ([LIKELY], ["person.email"])
    (first,) = await exported(service, "p1", 1)
    assert first["person"] == {"email": "yourstruly@adobe.con"}
    assert set(first["segmentMembership"]["ups"]) == {LIKELY}

    await hands.press("button", "Activate more")
    await choose_segments(hands, "Newsletter readers")
    await hands.press("button", "Next: review")
    told = await reads(hands, "A backfill is due", "It begins by itself")
    assert "Newsletter readers\t5\t0\t0" in told  # the example and every other profile
    await hands.press("button", "Finish")
    await reads(hands, "The backfill is complete: 9 profiles looked at, 5 exported.")
    second = (await exported(service, "p1", 2))[1]
    statuses = {each: entry["status"] for each, entry in second["segmentMembership"]["ups"].items()}
    assert statuses == {LIKELY: "existing", NEWSLETTER: "realized"}

    await hands.press("button", "Activate more")
    await choose_segments(hands, "Newsletter readers")
    await hands.press("button", "Next: review")
    await reads(hands, "Segments that are unmapped\nNewsletter readers", "no “exited” is sent for it")
    await hands.press("button", "Finish")
    await reads(hands, "The backfill is complete: 9 profiles looked at, 0 exported.")
    assert await maps(service) == ([LIKELY], ["person.email"])
    assert hands.problems == []
    assert len(hands.changes) == 3


async def test_segments_are_found_by_name_and_those_that_the_sample_has_not_are_added_by_id(
    browser: Browser, service: Guided
) -> None:
    await service.connected("mapped-before")
    hands = await activating(browser, service)
    await reads(hands, "3 segments shown", "not in the sample")
    await hands.write("Search segments", "NEWS")
    told = await reads(hands, "1 segment shown", without="Likely buyers")
    assert "mapped-before" not in told
    await hands.press("button", "Choose all that are shown")
    await reads(hands, "Chosen: 2 segments", "To be mapped anew: 1")
    await hands.write("Search segments", "no segment is called so")
    await reads(hands, "No segment matches.")
    await hands.write("Search segments", "")
    await hands.choose("Show", "mapped now")
    await reads(hands, "mapped-before", without="Newsletter readers")
    await hands.unfold("Add a segment by its ID")
    await hands.press("button", "Add segment")
    await reads(hands, "Give the segment's ID.")
    assert await hands.field("Segment ID").get_attribute("aria-invalid") == "true"
    await hands.write("Segment ID", "elsewhere")
    await hands.write("Namespace", "a/b")
    await hands.press("button", "Add segment")
    await reads(hands, "elsewhere is chosen.", without="Give the segment's ID.")
    await hands.press("checkbox", "mapped-before")
    await reads(hands, "Chosen: 2 segments", "To be mapped anew: 2; to be unmapped: 1")
    await hands.press("button", "Next: attributes")
    await hands.press("button", "Next: review")
    await reads(hands, "Worked out on the sample")
    await hands.press("button", "Finish")
    await reads(hands, "Activated")
    flow = (await service.api.call("GET", "/flows", status=200))[0]["items"][0]
    values = [each["value"] for each in flow["transformations"][0]["params"]["segmentSelectors"]["selectors"]]
    assert [(each["id"], each.get("namespace"), each.get("name")) for each in values] == [
        (NEWSLETTER, None, NAMES[NEWSLETTER]),
        ("elsewhere", "a/b", None),
    ]
    assert hands.problems == []


async def test_a_branch_takes_along_what_lies_in_it(browser: Browser, service: Guided) -> None:
    await service.connected(LIKELY)
    hands = await activating(browser, service)
    await hands.press("button", "Next: attributes")
    await hands.press("checkbox", "person.email")
    person = hands.part("checkbox", "person")
    assert await person.evaluate("(box) => [box.checked, box.indeterminate]") == [False, True]
    await person.click()
    await reads(hands, "person takes person.email along", "comes with person")
    assert await hands.part("checkbox", "person.name.firstName").is_disabled()
    await hands.write("Search attributes", "tier")
    await reads(hands, "1 attribute shown", without="firstName")
    await hands.press("checkbox", "loyalty.tier")
    await hands.write("Search attributes", "")
    await hands.unfold("Add an attribute by its path")
    for path, why in (
        ("", "Give the attribute's path."),
        ("a..b", "A name in it is empty"),
        ("identityMap.ecid", "identityMap is exported by itself."),
        ("person.email", "It comes with person already."),
        ("loyalty.tier", "It is chosen already."),
    ):
        await hands.write("Path", path)
        await hands.press("button", "Add attribute")
        await reads(hands, why)
    await hands.write("Path", "consents.marketing")
    await hands.press("button", "Add attribute")
    await reads(hands, "consents.marketing is chosen.")
    await hands.press("button", "Hide what is in loyalty")
    await reads(hands, "1 of it chosen", without="tier")
    await hands.press("button", "Next: review")
    await reads(hands, "Worked out on the sample")
    await hands.press("button", "Finish")
    await reads(hands, "Activated")
    assert (await maps(service))[1] == ["number", "person", "loyalty.tier", "consents.marketing"]
    assert hands.problems == []


async def test_governance_stands_beside_each_choice_before_it_is_made(
    browser: Browser, service: Guided
) -> None:
    await service.connected()
    await governed(service, POLICY, TOGETHER)
    hands = await activating(browser, service)
    await reads(hands, "C5", "may be exported")
    await hands.press("button", "Next: attributes")
    would = f"would be removed by “{FORBIDS}” (exportToThirdParty)"
    await reads(hands, "labels: C2", would, without="Not both")
    await hands.press("button", "Back")
    await choose_segments(hands, "Newsletter readers")
    # With that segment, what was free is not any more.
    await reads(hands, would, "would be removed by “Not both to partners” (exportToThirdParty)")
    await choose_attributes(hands, "loyalty.points")
    told = await reads(hands, "Worked out on the sample")
    assert (
        f"attribute loyalty.points (labels: C2) is removed by “{FORBIDS}” "
        "for the marketing action exportToThirdParty"
    ) in told
    assert f"“{FORBIDS}” (exportToThirdParty) removes something of 8 profiles." in told
    assert '"points"' not in told
    assert hands.problems == []


async def test_what_enforcement_blocks_is_told_and_not_sent(browser: Browser, service: Guided) -> None:
    await service.connected()
    await governed(service, POLICY, enforcement="block")
    hands = await activating(browser, service)
    await choose_segments(hands, "Likely buyers")
    await reads(hands, f"blocked by “{FORBIDS}”", "Enforcement is “block”")
    await choose_attributes(hands, "loyalty.points")
    await reads(hands, "The service would refuse this change", "loyalty.points", FORBIDS)
    assert await hands.part("button", "Finish").is_disabled()
    await hands.press("button", "Back")
    await hands.press("checkbox", "loyalty.points")
    await hands.press("button", "Next: review")
    await reads(hands, "Worked out on the sample", without="would refuse")
    await hands.press("button", "Finish")
    await reads(hands, "Activated")
    assert len(hands.changes) == 1


async def test_a_change_by_somebody_else_is_shown_and_done_on_what_is_there_now(
    browser: Browser, service: Guided
) -> None:
    flow = await service.connected("one", "two")
    hands = await activating(browser, service)
    await choose_segments(hands, "Likely buyers", "two")
    await hands.press("button", "Next: review")
    await reads(hands, "Worked out on the sample")
    await service.api.patch(f"/flows/{flow}", mapped("three"))
    await hands.press("button", "Finish")
    told = await reads(hands, "Somebody else changed this meanwhile")
    dialog = await hands.page.get_by_role("dialog").inner_text()
    rows = [line.split("\t") for line in dialog.splitlines() if line.startswith("segment")]
    assert rows == [
        ["segment ups/two", "mapped", "mapped", "not there"],
        ["segment ups/three", "not there", "mapped", "mapped"],
        [f"segment Likely buyers (ups/{LIKELY})", "not there", "not there", "mapped"],
    ]
    assert "Activated" not in told
    await hands.press("button", "Do mine on what is there now")
    await reads(hands, "Activated")
    assert (await maps(service))[0] == ["one", "three", LIKELY]
    assert len(hands.changes) == 2


async def test_leaving_it_as_it_is_keeps_the_choice_and_sends_nothing(
    browser: Browser, service: Guided
) -> None:
    flow = await service.connected("one")
    hands = await activating(browser, service)
    await hands.press("checkbox", "Likely buyers")
    await service.api.patch(f"/flows/{flow}", mapped("two"))
    # It is told by itself, as soon as it is read.
    await reads(hands, "Somebody else has changed the dataflow since you began.")
    await hands.press("button", "Show the difference")
    await hands.press("button", "Leave it as it is now")
    await reads(hands, "two", "Chosen: 3 segments", without="Somebody else has changed")
    assert hands.changes == []
    assert (await maps(service))[0] == ["one", "two"]


async def reviewed(browser: Browser, service: Guided) -> ChromiumHands:
    await service.connected("one")
    hands = await activating(browser, service)
    await choose_segments(hands, "Likely buyers")
    await hands.press("button", "Next: review")
    await reads(hands, "Worked out on the sample")
    return hands


async def test_a_change_whose_answer_is_lost_is_sent_once_and_found_kept(
    browser: Browser, service: Guided
) -> None:
    hands = await reviewed(browser, service)

    async def kept_and_lost(route: Route) -> None:
        if route.request.method == "PATCH":
            await route.fetch()
            await route.abort("connectionreset")
        else:
            await route.continue_()

    await hands.page.route(FLOWS, kept_and_lost)
    await hands.press("button", "Finish")
    await reads(hands, "Activated", "The answer was lost on its way; the change was kept all the same.")
    assert (await maps(service))[0] == ["one", LIKELY]
    assert len(hands.changes) == 1


async def test_a_change_that_never_came_is_told_so_and_may_be_sent_again(
    browser: Browser, service: Guided
) -> None:
    hands = await reviewed(browser, service)
    await hands.page.route(FLOWS, lambda route: route.abort("connectionrefused"))
    await hands.press("button", "Finish")
    await reads(hands, "Nothing was changed: try again.")
    assert (await maps(service))[0] == ["one"]
    assert await focused(hands.page) == "failure"
    await hands.page.unroute(FLOWS)
    await hands.press("button", "Finish")
    await reads(hands, "Activated")
    assert (await maps(service))[0] == ["one", LIKELY]


async def focused(page: Page) -> str:
    found: str = await page.evaluate("document.activeElement.className")
    return found


async def test_what_cannot_be_looked_at_is_told_and_keeps_nobody_from_activating(
    browser: Browser, service: Guided
) -> None:
    await service.connected()
    hands = ChromiumHands(await browser.new_page())
    looks = "**/processor/*"

    async def away(route: Route) -> None:
        if route.request.url.endswith("/token"):
            await route.continue_()
            return
        problem = {"type": "about:blank", "title": "x", "status": 503, "detail": "Kafka says nothing: wait"}
        await route.fulfill(status=503, json=problem, content_type="application/problem+json")

    await hands.page.route(looks, away)
    await sign_in(hands, service)
    await hands.press("link", "Activate")
    told = await reads(hands, "The topic could not be sampled", "What governance makes of your choice is not")
    assert told.count("Kafka says nothing: wait.") == 2
    await hands.unfold("Add a segment by its ID")
    await hands.write("Segment ID", LIKELY)
    await hands.press("button", "Add segment")
    await hands.press("button", "Next: attributes")
    await hands.press("button", "Next: review")
    await reads(hands, "could not be worked out", "You can finish all the same.")
    assert await hands.part("button", "Finish").is_enabled()
    await hands.page.unroute(looks)
    await hands.press("button", "Look again")
    await reads(hands, "Worked out on the sample", without="could not be worked out")
    await hands.press("button", "Back")
    await hands.press("button", "Read a new sample")
    await reads(hands, "From a sample of", "person", without="What governance makes of your choice is not")
    await hands.press("button", "Next: review")
    await reads(hands, "Worked out on the sample")
    await hands.press("button", "Finish")
    await reads(hands, "Activated")
    assert (await maps(service))[0] == [LIKELY]


NAMED: Final = """() => {
  const part = document.activeElement;
  return part.ariaLabel || (part.labels && part.labels.length ? part.labels[0].textContent : part.textContent);
}"""


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until this is what has the focus."""
    passed = []
    for _ in range(80):
        await page.keyboard.press("Tab")
        passed.append(await page.evaluate(NAMED))
        if passed[-1] == name:
            return
    raise AssertionError(f"no Tab leads to {name!r}, but to {passed}")


async def test_by_keyboard_alone_the_focus_is_where_the_way_goes_on(
    browser: Browser, service: Guided
) -> None:
    await service.connected()
    hands = ChromiumHands(await browser.new_page())
    await sign_in(hands, service)
    await tab_to(hands.page, "Activate")
    await hands.keys("Enter")
    await reads(hands, "From a sample of", "Likely buyers")
    assert await hands.page.evaluate(NAMED) == "Activate"  # the view's heading
    await tab_to(hands.page, "Search segments")
    await hands.keys("n", "e", "w", "s")
    await reads(hands, "1 segment shown")
    await tab_to(hands.page, "Newsletter readers")
    await hands.keys("Space")
    await reads(hands, "Chosen: 1 segment,")
    assert await hands.page.evaluate(NAMED) == "Newsletter readers"  # a choice leaves the focus where it was
    await tab_to(hands.page, "Next: attributes")
    await hands.keys("Enter")
    assert await hands.page.evaluate(NAMED) == "Step 2 of 3: Attributes"
    await tab_to(hands.page, "Hide what is in loyalty")
    await hands.keys("Enter")
    await reads(hands, "Chosen", without="tier")
    assert await hands.page.evaluate(NAMED) == "Show what is in loyalty"
    await tab_to(hands.page, "person.email")
    await hands.keys("Space")
    await tab_to(hands.page, "Next: review")
    await hands.keys("Enter")
    assert await hands.page.evaluate(NAMED) == "Step 3 of 3: Review"
    await reads(hands, "Worked out on the sample")
    await tab_to(hands.page, "Finish")
    await hands.keys("Enter")
    await reads(hands, "Activated")
    assert await hands.page.evaluate(NAMED) == "Activated"
    assert await maps(service) == ([NEWSLETTER], ["number", "person.email"])


async def test_a_token_that_reads_sees_all_and_changes_nothing(browser: Browser, service: Guided) -> None:
    await service.connected(LIKELY)
    hands = await activating(browser, service, READ_TOKEN)
    await reads(hands, "Your token may only read", "may be exported", "exported")
    for name in ("Likely buyers", "Newsletter readers"):
        assert await hands.part("checkbox", name).is_disabled()
    assert await hands.part("checkbox", "Likely buyers").is_checked()
    assert await hands.part("button", "Choose all that are shown").is_disabled()
    await hands.write("Search segments", "news")
    await reads(hands, "1 segment shown")
    await hands.press("button", "Next: attributes")
    assert await hands.part("checkbox", "person").is_disabled()
    await hands.press("button", "Next: review")
    await reads(hands, "You have changed nothing")
    assert await hands.part("button", "Finish").is_disabled()
    assert hands.problems == []


async def test_without_a_dataflow_it_leads_to_connect(browser: Browser, service: Guided) -> None:
    hands = ChromiumHands(await browser.new_page())
    await sign_in(hands, service)
    await hands.press("link", "Activate")
    await reads(hands, "There is no dataflow yet")
    assert await hands.part("link", "Connect to destination").get_attribute("href") == "#connect"


async def test_under_off_it_is_told_that_no_backfill_begins(
    browser: Browser, kafka: str, topic: str, tmp_path: Path
) -> None:
    async with guided(kafka, topic, tmp_path, backfill="off") as service:
        await service.connected(LIKELY)
        await exported(service, "p1", 1)
        hands = await activating(browser, service)
        await choose_segments(hands, "Newsletter readers")
        await hands.press("button", "Next: review")
        await reads(hands, "A backfill is due", "PROCESSOR_BACKFILL=off: none begins by itself")
        await hands.press("button", "Finish")
        await reads(hands, "Activated", "A backfill is due, and PROCESSOR_BACKFILL=off")


async def test_five_hundred_segments_and_attributes_are_searched_chosen_and_kept_by_one_call(
    browser: Browser, kafka: str, topic: str, tmp_path: Path
) -> None:
    async with guided(kafka, topic, tmp_path, large_sample()) as service:
        await service.connected()
        hands = await activating(browser, service, viewport={"width": 360, "height": 740})
        await reads(hands, "500 segments shown")
        await hands.write("Search segments", "segment-49")
        await reads(hands, "10 segments shown")
        await hands.write("Search segments", "")
        await reads(hands, "500 segments shown")
        await hands.press("button", "Choose all that are shown")
        await reads(hands, "Chosen: 500 segments", without="may be exported")
        await hands.press("button", "Next: attributes")
        await hands.write("Search attributes", "attribute04")
        await reads(hands, "10 attributes shown")
        for number in range(40, 50):
            await hands.press("checkbox", f"attribute{number:03d}")
        assert await hands.page.evaluate("document.documentElement.scrollWidth") <= 360
        await hands.press("button", "Next: review")
        await reads(hands, "Worked out on the sample", "450 more")
        assert await hands.page.evaluate("document.documentElement.scrollWidth") <= 360
        await hands.press("button", "Finish")
        await reads(hands, "Activated")
        segments, attributes = await maps(service)
        assert (len(segments), len(attributes)) == (500, 11)
        assert len(hands.changes) == 1
        (record,) = await exported(service, "large", 1)
        assert len(record["segmentMembership"]["ups"]) == 500
        assert hands.problems == []
