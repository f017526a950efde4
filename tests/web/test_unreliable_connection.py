"""The whole way over a connection that loses the answer of every change, and every third read: each change is sent once."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from tests.support.guided import LIKELY, NAMES
from tests.support.hands import ChromiumHands, reads
from tests.support.journey import choose_attributes, choose_segments, connect, finish, sign_in
from tests.support.world import until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Route

    from tests.support.guided import Guided

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]

LOST_READS: Final = 0.33


class Losing:
    """A connection on which changes arrive, and their answers do not."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        """Changes, by method and path."""
        self.lost = 0
        """Reads."""
        self._rng = random.Random(7)

    async def pass_on(self, route: Route) -> None:
        request = route.request
        path = urlsplit(request.url).path
        if request.method != "GET" and "/foundation/processor/" not in path:
            self.sent[f"{request.method} {path}"] += 1
            await route.fetch()
            await route.abort("connectionreset")
        elif request.method == "GET" and self._rng.random() < LOST_READS:
            self.lost += 1
            await route.abort("connectionreset")
        else:
            await route.continue_()


async def test_every_change_is_sent_once_is_found_again_and_the_way_ends_as_with_a_good_connection(
    browser: Browser, service: Guided
) -> None:
    hands = ChromiumHands(await browser.new_page())
    await sign_in(hands, service)
    losing = Losing()
    await hands.page.route("**/data/foundation/**", losing.pass_on)
    await connect(hands, service)
    told = await reads(hands, "made, though the answer was lost")
    assert told.count("made, though the answer was lost") == 4
    await hands.press("button", "Activate segments")
    await choose_segments(hands, NAMES[LIKELY])
    await choose_attributes(hands, "person.email")
    await reads(hands, "What changes")
    await finish(hands, "The answer was lost on its way; the change was kept all the same.")
    await until(lambda: len(service.kinesis.stored) == 9)
    assert {json.dumps(json.loads(data)["person"])[:8] for _, data in service.kinesis.stored} == {'{"email"'}

    await hands.press("link", "Destination")
    await reads(hands, "Enabled: changed profiles are exported", "1 segment and 1 attribute")
    await hands.press("button", "Disable")
    await hands.confirm("Disable")
    await reads(hands, "Disabled: nothing is exported", "The answer was lost on its way")
    await hands.press("button", f"Take off {NAMES[LIKELY]}")
    await hands.confirm("Take off")
    await reads(hands, "0 segments and 1 attribute", "The answer was lost on its way")

    # Two accounts were made, and the flow was changed twice: by the activation, and by what was taken off.
    by_count = Counter(losing.sent.values())
    assert by_count == {1: 4, 2: 2}, losing.sent
    assert losing.lost > 5
    for kind, count in {"connections": 2, "sourceConnections": 1, "targetConnections": 1, "flows": 1}.items():
        kept, _ = await service.api.call("GET", f"/{kind}", status=200)
        assert len(kept["items"]) == count
    assert [each for each in hands.problems if "ERR_CONNECTION_RESET" not in each] == []
