"""Connecting in the browser: from the catalogue to a dataflow, with the checks as one types, in a real Chromium over a service that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.defined import TOKEN
from tests.support.guided import KEY_ID, LIKELY, READ_TOKEN, SECRET, STREAM, guided
from tests.support.hands import ChromiumHands, reads
from tests.support.scripted_kinesis import Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Request, Route

    from tests.support.guided import Guided

pytestmark = [
    pytest.mark.integration,
    pytest.mark.needs("chromium"),
]

DENIED: Final = "AccessDeniedException"
NAME: Final = "Loyalty exports"
KINDS: Final = ("connections", "sourceConnections", "targetConnections", "flows")
CONNECTED: Final = f"“{NAME}” is connected: its exports go to the stream {STREAM} in eu-west-1"
POLICIES: Final = "/../dulepolicy"


@pytest.fixture
async def hands(browser: Browser) -> AsyncIterator[ChromiumHands]:
    """A page of a desktop's size."""
    page = await browser.new_page(viewport={"width": 1100, "height": 900})
    yield ChromiumHands(page)
    await page.close()


async def at_connect(hands: ChromiumHands, service: Guided, token: str = TOKEN) -> None:
    await hands.open(service.url)
    await hands.press("button", "Sign in")
    await hands.write("Token", token)
    await hands.keys("Enter")
    await hands.press("link", "Connect")
    await reads(hands, "Amazon Kinesis")


async def give_keys(hands: ChromiumHands, service: Guided) -> None:
    await hands.press("button", "Set up")
    await hands.press("radio", "Access key and secret key")
    await hands.write("Access key id", KEY_ID)
    await hands.write("Secret key", SECRET)
    await hands.write("Region", "eu-west-1")
    await hands.unfold("Advanced")
    await hands.write("Endpoint", service.kinesis_url)
    await hands.press("button", "Connect to destination")
    await reads(hands, "What the destination is called")


async def create(hands: ChromiumHands) -> None:
    await hands.write("Name", NAME)
    await hands.write("Stream", STREAM)
    await reads(hands, f"The stream {STREAM} is there")
    await hands.press("button", "Create destination")


async def counts(service: Guided) -> list[int]:
    """How many objects of each of the kinds there are."""
    return [len(await objects(service, kind)) for kind in KINDS]


async def objects(service: Guided, kind: str) -> list[Any]:
    told, _ = await service.api.call("GET", f"/{kind}", status=200)
    found: list[Any] = told["items"]
    return found


async def account_of(service: Guided) -> str:
    """An account that is there before, as a set-up that was broken off leaves it."""
    _, account = await service.api.connect(service.kinesis_url)
    return account


def is_making(kind: str) -> Any:
    """Whether a request makes an object of a kind."""
    return lambda request: request.method == "POST" and request.url.endswith(f"/flowservice/{kind}")


async def losing(hands: ChromiumHands, kind: str, *, after_it_was_kept: bool) -> list[str]:
    """Lose the first call that makes an object of a kind, or its answer; what was sent, call by call."""
    sent: list[str] = []

    async def lose(route: Route) -> None:
        if route.request.method != "POST":
            await route.fallback()
            return
        sent.append(route.request.url)
        if len(sent) > 1:
            await route.fallback()
            return
        if after_it_was_kept:
            await route.fetch()
        await route.abort("connectionreset")

    await hands.page.route(f"**/flowservice/{kind}", lose)
    return sent


async def test_a_set_up_leads_from_the_catalogue_to_a_dataflow_with_the_keys_sent_once_and_left_nowhere(
    hands: ChromiumHands, service: Guided
) -> None:
    sent: list[Request] = []
    hands.page.on("request", lambda each: sent.append(each))  # noqa: PLW0108  playwright marks its listeners
    await at_connect(hands, service)
    await reads(hands, "Not set up")
    await give_keys(hands, service)
    typed = await hands.page.evaluate("[...document.querySelectorAll('input')].map((input) => input.value)")
    assert SECRET not in typed
    assert KEY_ID not in typed
    await hands.press("button", "Back")
    await reads(hands, "Signed in: 2 streams in eu-west-1", without="Connect to destination")
    await hands.press("button", "Next")
    await create(hands)
    told = await reads(hands, "Connected", CONNECTED, "Activate segments")
    assert told.count("made") >= 4
    assert len([each for each in sent if SECRET in (each.post_data or "")]) == 1
    assert SECRET not in await hands.page.content()
    assert await counts(service) == [2, 1, 1, 1]
    (target,) = await objects(service, "targetConnections")
    assert target["params"] == {
        "stream": STREAM,
        "region": "eu-west-1",
        "marketingActions": ["exportToThirdParty"],
    }
    await hands.press("button", "Activate segments")
    assert hands.page.url.endswith("#activate")
    await hands.press("link", "Connect")
    await reads(hands, "Connected", f"Stream {STREAM} in eu-west-1", "Change the set-up")
    assert hands.problems == []


async def test_what_is_wrong_with_an_account_stands_beside_its_field_before_anything_is_made(
    hands: ChromiumHands, service: Guided
) -> None:
    await at_connect(hands, service)
    await hands.press("button", "Set up")
    await hands.press("radio", "Access key and secret key")
    await hands.write("Access key id", KEY_ID)
    await hands.press("button", "Connect to destination")
    await reads(hands, "go together: give both", "Write a region as eu-west-1")
    secret = hands.field("Secret key")
    assert await secret.get_attribute("aria-invalid") == "true"
    assert await secret.evaluate("(input) => document.activeElement === input")
    described = (await secret.get_attribute("aria-describedby") or "").split()
    assert "secret-key-error" in described
    await hands.press("radio", "Variables of the service")
    await hands.write("Variable that holds the access key id", KEY_ID)
    await hands.write("Region", "eu-west-1")
    await hands.press("button", "Connect to destination")
    await reads(hands, "That looks like a key itself")
    assert await counts(service) == [0, 0, 0, 0]


async def test_variables_are_looked_at_as_their_names_are_typed(
    hands: ChromiumHands, kafka: str, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPORT_KEY_ID", KEY_ID)
    monkeypatch.setenv("EXPORT_SECRET", SECRET)
    async with guided(kafka, topic, tmp_path) as service:
        await at_connect(hands, service)
        await hands.press("button", "Set up")
        await hands.press("radio", "Variables of the service")
        await hands.write("Region", "eu-west-1")
        await hands.unfold("Advanced")
        await hands.write("Endpoint", service.kinesis_url)
        await reads(hands, "EXPORT_ACCESS_KEY_ID is not set where this service runs")
        await hands.write("Variable that holds the access key id", "EXPORT_KEY_ID")
        await hands.write("Variable that holds the secret key", "${EXPORT_SECRET}")
        await reads(hands, "Signed in: 2 streams in eu-west-1", without="is not set")
        await hands.press("button", "Connect to destination")
        await reads(hands, "2 streams are there to choose from")
        (account,) = await objects(service, "connections")
        assert account["auth"]["params"] == {
            "accessKeyId": "${EXPORT_KEY_ID}",
            "secretKey": "${EXPORT_SECRET}",
            "region": "eu-west-1",
            "connectionUrl": service.kinesis_url,
        }


async def test_keys_without_a_key_to_seal_them_are_refused_beside_their_fields(
    hands: ChromiumHands, kafka: str, topic: str, tmp_path: Path
) -> None:
    async with guided(kafka, topic, tmp_path, api_secret_key_file="") as service:
        await at_connect(hands, service)
        await hands.press("button", "Set up")
        await hands.press("radio", "Access key and secret key")
        await hands.write("Access key id", KEY_ID)
        await hands.write("Secret key", SECRET)
        await hands.write("Region", "eu-west-1")
        await hands.press("button", "Connect to destination")
        await reads(hands, "A secret is kept encrypted only, and there is no key to encrypt it with")
        assert await hands.field("Access key id").get_attribute("aria-invalid") == "true"
        assert await hands.field("Secret key").input_value() == ""


async def test_a_stream_that_is_not_there_is_told_as_one_types_and_taken_only_where_somebody_says_so(
    hands: ChromiumHands, service: Guided
) -> None:
    await account_of(service)
    await at_connect(hands, service)
    await hands.press("button", "Continue")
    await reads(hands, "Signed in: 2 streams in eu-west-1")
    await hands.press("button", "Next")
    await hands.write("Name", NAME)
    await hands.write("Stream", "a stream")
    await hands.press("button", "Create destination")
    await reads(hands, "letters, digits, _, . and -), or its ARN.")
    await hands.write("Stream", "nowhere")
    await reads(hands, "There is no stream nowhere in eu-west-1")
    await hands.press("button", "Create destination")
    await hands.press("button", "Name another stream")
    assert await hands.field("Stream").evaluate("(input) => document.activeElement === input")
    assert await counts(service) == [2, 1, 0, 0]
    await hands.press("button", "Create destination")
    await hands.press("button", "Take it all the same")
    await reads(hands, f"“{NAME}” is connected: its exports go to the stream nowhere in eu-west-1")


async def test_each_marketing_action_says_what_it_would_remove_before_it_is_chosen_and_one_of_ones_own_is_added(
    hands: ChromiumHands, service: Guided
) -> None:
    await account_of(service)
    await service.api.call("PUT", f"{POLICIES}/labels", {"fields": {"person.email": ["C2"]}}, status=200)
    await service.api.call(
        "POST",
        f"{POLICIES}/policies/custom",
        {
            "name": "No contracted data in campaigns",
            "status": "ENABLED",
            "marketingActionRefs": ["/dulepolicy/marketingActions/core/emailTargeting"],
            "deny": {"label": "C2"},
        },
        status=201,
    )
    await at_connect(hands, service)
    await hands.press("button", "Continue")
    await hands.press("button", "Next")
    await reads(
        hands,
        "Removes the attribute person.email (policy “No contracted data in campaigns”, label C2).",
        "With exportToThirdParty, policies remove nothing of what was looked at.",
    )
    assert not await hands.part("checkbox", "emailTargeting").is_checked()
    await hands.press("checkbox", "emailTargeting")
    await reads(hands, "With emailTargeting, exportToThirdParty, policies remove the attribute person.email")
    await hands.unfold("Add a marketing action of your own")
    await hands.write("Name of the action", "emailtargeting")
    await hands.press("button", "Add the action")
    await reads(hands, "It is written emailTargeting: choose it in the list.")
    await hands.write("Name of the action", "partners")
    await hands.write("What it is for (optional)", "Given to partners")
    await hands.keys("Enter")
    await reads(hands, "partners was added, and is chosen.", "your own: Given to partners")
    await create(hands)
    await reads(hands, CONNECTED)
    (target,) = await objects(service, "targetConnections")
    assert target["params"]["marketingActions"] == ["emailTargeting", "exportToThirdParty", "partners"]


async def test_a_set_up_that_was_broken_off_goes_on_from_what_is_there(
    hands: ChromiumHands, service: Guided
) -> None:
    source, account = await service.api.connect(service.kinesis_url)
    await at_connect(hands, service)
    await reads(hands, "Set-up begun", "There already: Account, Source: the profiles of the Kafka topic.")
    await hands.press("button", "Continue")
    await hands.press("button", "Next")
    await create(hands)
    told = await reads(hands, CONNECTED)
    assert told.count("there already") == 3
    assert await counts(service) == [2, 1, 1, 1]
    (flow,) = await objects(service, "flows")
    (target,) = await objects(service, "targetConnections")
    assert flow["sourceConnectionIds"] == [source]
    assert target["baseConnectionId"] == account


@pytest.mark.parametrize("kind", ["connections", "targetConnections", "flows"])
async def test_a_call_whose_answer_is_lost_after_it_was_kept_is_sent_once_and_found(
    hands: ChromiumHands, service: Guided, kind: str
) -> None:
    await at_connect(hands, service)
    sent = await losing(hands, kind, after_it_was_kept=True)
    await give_keys(hands, service)
    await create(hands)
    told = await reads(hands, CONNECTED)
    assert ("made, though the answer was lost" in told) == (kind != "connections")
    assert await counts(service) == [2, 1, 1, 1]
    assert len(sent) == (2 if kind == "connections" else 1)


async def test_a_call_that_was_lost_on_its_way_is_told_as_not_made_and_made_as_one_goes_on(
    hands: ChromiumHands, service: Guided
) -> None:
    await account_of(service)
    await at_connect(hands, service)
    sent = await losing(hands, "targetConnections", after_it_was_kept=False)
    await hands.press("button", "Continue")
    await hands.press("button", "Next")
    await create(hands)
    await reads(hands, "not made:", "Not connected yet", "not begun")
    assert len(sent) == 1
    assert await counts(service) == [2, 1, 0, 0]
    await hands.press("button", "Go on")
    await reads(hands, CONNECTED)
    assert await counts(service) == [2, 1, 1, 1]


async def test_one_goes_on_with_other_answers_after_a_call_was_lost_and_that_is_nobody_elses_change(
    hands: ChromiumHands, service: Guided
) -> None:
    await account_of(service)
    await at_connect(hands, service)
    await losing(hands, "flows", after_it_was_kept=False)
    await hands.press("button", "Continue")
    await hands.press("button", "Next")
    await create(hands)
    await reads(hands, "Not connected yet")
    assert await counts(service) == [2, 1, 1, 0]
    await hands.press("button", "Back")
    await hands.write("Stream", "another-stream")
    await reads(hands, "The stream another-stream is there")
    await hands.press("button", "Create destination")
    await reads(
        hands,
        f"“{NAME}” is connected: its exports go to the stream another-stream in eu-west-1",
        "changed",
        "made",
    )
    assert await counts(service) == [2, 1, 1, 1]


async def test_what_a_second_tab_has_set_up_meanwhile_is_shown_and_not_undone_unasked(
    hands: ChromiumHands, service: Guided
) -> None:
    source, account = await service.api.connect(service.kinesis_url)
    await at_connect(hands, service)
    await hands.press("button", "Continue")
    await hands.press("button", "Next")
    await hands.write("Name", NAME)
    await hands.write("Stream", STREAM)
    await reads(hands, f"The stream {STREAM} is there")
    await service.api.activate(source, account, stream="another-stream")
    await hands.press("button", "Create destination")
    await reads(hands, "Somebody else changed this meanwhile", "another-stream", STREAM)
    await hands.press("button", "Leave it as it is now")
    await reads(hands, "Connected", "Stream another-stream in eu-west-1")
    await hands.press("button", "Change the set-up")
    await hands.press("button", "Next")
    await hands.write("Name", NAME)
    (flow,) = await objects(service, "flows")
    rename = {"op": "replace", "path": "/name", "value": "Renamed elsewhere"}
    await service.api.patch(f"/flows/{flow['id']}", rename)
    await hands.press("button", "Change the destination")
    await reads(hands, "Somebody else changed this meanwhile", "Renamed elsewhere")
    await hands.press("button", "Do mine on what is there now")
    await reads(
        hands, f"“{NAME}” is connected: its exports go to the stream another-stream in eu-west-1", "changed"
    )
    (flow,) = await objects(service, "flows")
    assert flow["name"] == NAME
    assert await counts(service) == [2, 1, 1, 1]


async def test_an_account_takes_new_keys_and_keeps_those_that_it_has_where_none_are_given(
    hands: ChromiumHands, service: Guided
) -> None:
    await service.connected(LIKELY)
    await at_connect(hands, service)
    await hands.press("button", "Change the set-up")
    await hands.press("button", "Change this account")
    await reads(hands, "Leave both empty to keep the keys that are there.")
    sent: list[Any] = []
    hands.page.on(
        "request", lambda each: sent.append(each.post_data_json) if each.method == "PATCH" else None
    )
    await hands.press("button", "Change the account")
    await reads(hands, "What the destination is called", "Stream and region are for good")
    assert sent == []
    await hands.press("button", "Back")
    await hands.press("button", "Change this account")
    await hands.write("Access key id", KEY_ID)
    await hands.write("Secret key", SECRET)
    await hands.press("button", "Change the account")
    await reads(hands, "What the destination is called")
    ((operation,),) = sent
    assert operation["path"] == "/auth"
    assert operation["value"]["params"]["secretKey"] == SECRET
    assert await hands.field("Stream").is_disabled()


async def test_an_account_that_somebody_else_has_changed_meanwhile_is_shown_before_it_is_changed_again(
    hands: ChromiumHands, service: Guided
) -> None:
    account = await account_of(service)
    await at_connect(hands, service)
    await hands.press("button", "Continue")
    await hands.press("button", "Change this account")
    await hands.write("Region", "eu-central-1")
    region = {"op": "replace", "path": "/auth/params/region", "value": "us-east-1"}
    await service.api.patch(f"/connections/{account}", region)
    await hands.press("button", "Change the account")
    await reads(hands, "Somebody else changed this meanwhile", "eu-west-1", "us-east-1", "eu-central-1")
    await hands.press("button", "Do mine on what is there now")
    await reads(hands, "What the destination is called")
    kinesis = (await objects(service, "connections"))[-1]
    assert kinesis["auth"]["params"]["region"] == "eu-central-1"


async def test_what_the_service_refuses_of_a_running_dataflow_stands_beside_the_field(
    hands: ChromiumHands, service: Guided
) -> None:
    await service.connected(LIKELY)
    await at_connect(hands, service)
    await hands.press("button", "Change the set-up")
    await hands.press("button", "Change this account")
    await hands.write("Endpoint", "http://127.0.0.1:9")
    await hands.press("button", "Change the account")
    await reads(hands, "It cannot change while the dataflow is enabled.")
    endpoint = hands.field("Endpoint")
    assert await endpoint.get_attribute("aria-invalid") == "true"
    assert await endpoint.evaluate("(input) => document.activeElement === input")


async def test_permissions_that_are_missing_are_named(hands: ChromiumHands, service: Guided) -> None:
    await account_of(service)
    service.kinesis.faults = Faults(unnamed=DENIED, undescribed=DENIED, unlisted=DENIED)
    await at_connect(hands, service)
    await hands.press("button", "Continue")
    await reads(hands, "may not list streams: the IAM action kinesis:ListStreams would let them")
    await hands.press("button", "Next")
    await hands.write("Stream", STREAM)
    await reads(hands, "not known whether it exists: the IAM action kinesis:DescribeStreamSummary would tell")
    service.kinesis.faults = Faults(undescribed=DENIED)
    await hands.write("Stream", "another-stream")
    await reads(
        hands,
        "The stream another-stream is there.",
        "These credentials lack kinesis:DescribeStreamSummary: exports go on without, less well. Grant it.",
    )


async def test_a_token_that_only_reads_sees_what_is_set_up_and_is_told_why_it_cannot_begin(
    hands: ChromiumHands, service: Guided
) -> None:
    await at_connect(hands, service, READ_TOKEN)
    await reads(hands, "Not set up", "Your token may read, and change nothing.")
    assert await hands.part("button", "Set up").is_disabled()


async def test_a_set_up_is_done_by_keyboard_alone_with_the_focus_on_each_step_as_it_begins(
    hands: ChromiumHands, service: Guided
) -> None:
    await account_of(service)
    await at_connect(hands, service)
    await hands.part("button", "Continue").focus()
    await hands.keys("Enter")
    await reads(hands, "Step 1 of 3")
    assert "Account" in await focused(hands)
    await hands.part("button", "Next").focus()
    await hands.keys("Enter")
    await reads(hands, "Step 2 of 3")
    assert "Authentication" in await focused(hands)
    await hands.field("Stream").focus()
    await hands.keys(*STREAM)
    await reads(hands, f"The stream {STREAM} is there")
    await hands.keys("Enter")
    await reads(hands, "Connected")
    assert await focused(hands) == "Activate segments"


async def focused(hands: ChromiumHands) -> str:
    found: str = await hands.page.evaluate("document.activeElement.textContent")
    return found
