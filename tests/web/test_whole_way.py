"""The whole way in a browser: nothing set up, connect, activate, one more segment, its backfill, and a segment taken off again."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.firefox import firefox
from tests.support.guided import LIKELY, NAMES, NEWSLETTER, SECRET, STREAM, membership
from tests.support.hands import ChromiumHands, chromium, reads
from tests.support.journey import NAME, choose_attributes, choose_segments, connect, finish, sign_in
from tests.support.observation import follows
from tests.support.world import until, vector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.guided import Guided
    from tests.support.hands import Hands

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

EXAMPLE: Final = "p1"
"""The profile of the published example."""


@asynccontextmanager
async def hands_of(name: str, directory: Path, origin: str) -> AsyncIterator[Hands]:
    if name == "firefox":
        async with firefox(directory / "profile", origin) as hands:
            yield hands
        return
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1100, "height": 900})
        yield ChromiumHands(page)


def exports(service: Guided, profile: str) -> list[Any]:
    return [json.loads(data) for key, data in service.kinesis.stored if key == profile]


def statuses(service: Guided, profile: str) -> dict[str, str]:
    """Of the last export of a profile."""
    entries = exports(service, profile)[-1]["segmentMembership"]["ups"]
    return {segment: entry["status"] for segment, entry in entries.items()}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("chromium", marks=pytest.mark.needs("chromium")),
        pytest.param("firefox", marks=pytest.mark.needs("firefox-esr")),
    ],
)
async def test_from_an_empty_service_to_the_example_s_record_one_more_segment_and_back(
    name: str, service: Guided, tmp_path: Path
) -> None:
    async with hands_of(name, tmp_path, service.url) as hands:
        await sign_in(hands, service)
        await connect(hands, service)
        await hands.press("button", "Activate segments")
        await choose_segments(hands, NAMES[LIKELY])
        await choose_attributes(hands, "person.email")
        review = await reads(hands, "What changes", "Records as they will be", "x@x")
        assert "yourstruly" not in review
        await finish(hands, "No backfill is due")

        # What the service sends by now is the published example's record, of the one segment.
        await until(lambda: bool(exports(service, EXAMPLE)))
        record = exports(service, EXAMPLE)[-1]
        published = vector("seed-example")["exports"][0]["data"]
        assert record["person"] == published["person"]
        assert record["identityMap"] == published["identityMap"]
        assert statuses(service, EXAMPLE) == {LIKELY: "realized"}
        await until(lambda: len({key for key, _ in service.kinesis.stored}) == 9)

        # One more, which half of the profiles are in: no event comes, and all of these follow.
        before = len(service.kinesis.stored)
        await hands.press("button", "Activate more")
        await choose_segments(hands, NAMES[NEWSLETTER])
        await choose_attributes(hands)
        await reads(hands, "Segments that are mapped anew", NAMES[NEWSLETTER])
        await finish(hands)
        await until(lambda: len(service.kinesis.stored) == before + 5)
        assert statuses(service, EXAMPLE) == {LIKELY: "existing", NEWSLETTER: "realized"}

        # Taken off, it is in no further record, and consumers are not told.
        await hands.press("link", "See the destination")
        await reads(hands, "2 segments and 1 attribute", "History", NAME, STREAM)
        await hands.press("button", f"Take off {NAMES[LIKELY]}")
        await reads(hands, "no “exited” is sent for it")
        await hands.confirm("Take off")
        await reads(hands, "1 segment and 1 attribute", f"segment unmapped: {NAMES[LIKELY]} (ups/{LIKELY})")
        assert len(service.kinesis.stored) == before + 5
        await follows(service.http, service.url, NEWSLETTER)
        await service.produce((EXAMPLE, membership(LIKELY, NEWSLETTER, person={"email": "new@example.com"})))
        await until(lambda: len(service.kinesis.stored) == before + 6)
        assert statuses(service, EXAMPLE) == {NEWSLETTER: "existing"}

        # Off, and on again where it was.
        await hands.press("button", "Disable")
        await reads(hands, "Events wait in Kafka meanwhile")
        await hands.confirm("Disable")
        await reads(hands, "Disabled: nothing is exported", "The dataflow is disabled.")
        await service.produce((EXAMPLE, membership(NEWSLETTER, person={"email": "newer@example.com"})))
        await hands.press("button", "Enable")
        await reads(hands, "It goes on where it was")
        await hands.confirm("Enable")
        await reads(hands, "Enabled: changed profiles are exported")
        await until(lambda: len(service.kinesis.stored) == before + 7)
        assert exports(service, EXAMPLE)[-1]["person"] == {"email": "newer@example.com"}

        assert SECRET not in await hands.text()
        assert hands.problems == []
