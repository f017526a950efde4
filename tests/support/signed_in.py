"""The page over an API whose definition is in memory, as somebody sees it who has signed in with a token."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import requests

from tests.support.dataflows import attribute_selector, flow_body, segment_selector, whole_definition
from tests.support.hands import ChromiumHands, reads
from tests.support.served_api import TOKEN, served_api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import Browser, Page

    from processor.definition.model import Definition
    from tests.support.served_api import ServedApi

PREFIX: Final = "/data/foundation"
GOLD: Final = "gold-members"
SILVER: Final = "silver-members"
FLOW: Final = "/flowservice/flows/flow"
TARGET: Final = "/flowservice/targetConnections/target"


def two_segments() -> Definition:
    """A dataflow of two segments, one with a name, and of two attributes."""
    segments = [segment_selector(GOLD, name="Gold members"), segment_selector(SILVER)]
    flow = flow_body(
        [*segments], [attribute_selector("personalEmail.address"), attribute_selector("loyalty")]
    )
    return whole_definition(flow={**flow, "description": "For the winter"})


class Beside:
    """Somebody else, who calls the API meanwhile."""

    def __init__(self, url: str) -> None:
        self._url = url + PREFIX

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The body of an answer, which must be no error."""
        answer = requests.request(
            method,
            self._url + path,
            json=body,
            headers={"Authorization": f"Bearer {TOKEN}", **headers},
            timeout=20,
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def one(self, path: str) -> Any:
        """An object as it is."""
        return self.call("GET", path)["items"][0]

    def patch(self, path: str, *operations: Any) -> None:
        """Change one as it is."""
        self.call("PATCH", path, list(operations), **{"If-Match": self.one(path)["etag"]})

    def forbid(self, label: str, path: str, action: str) -> None:
        """Have an attribute bear a label, and a policy that forbids it to a marketing action of one's own."""
        place = f"/dulepolicy/marketingActions/custom/{action}"
        self.call("PUT", "/dulepolicy/labels", {"fields": {path: [label]}})
        self.call("PUT", place, {"name": action, "description": "Given to partners"})
        policy = {
            "name": f"No {label} for {action}",
            "status": "ENABLED",
            "marketingActionRefs": [place],
            "deny": {"label": label},
        }
        self.call("POST", "/dulepolicy/policies/custom", policy)


@contextmanager
def defined_api(definition: Definition | None = None) -> Iterator[tuple[ServedApi, Beside]]:
    """The API over this definition, that of `two_segments` where none is given, and somebody else who calls it."""
    with served_api(two_segments() if definition is None else definition) as served:
        yield served, Beside(served.url)


async def signed_in(
    browser: Browser, url: str, view: str = "", token: str = TOKEN, **how: Any
) -> ChromiumHands:
    """A page of somebody who has signed in, and went to a view."""
    context = await browser.new_context(**how)
    hands = ChromiumHands(await context.new_page())
    await hands.open(url)
    await sign_in(hands, token)
    await hands.part("link", "Status").wait_for()
    if view:
        await hands.press("link", view)
    return hands


async def sign_in(hands: ChromiumHands, token: str) -> None:
    """Give a token."""
    await hands.press("button", "Sign in")
    await reads(hands, "This page keeps it in memory")
    await hands.write("Token", token)
    await dialog_press(hands.page, "Sign in")


async def dialog_press(page: Page, name: str) -> None:
    """Click on a button of the dialog that is asked last."""
    await page.get_by_role("dialog").last.get_by_role("button", name=name, exact=True).click()
