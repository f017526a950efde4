"""What Debian's Firefox makes of the page's policies: the whole way in it is `test_whole_way.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.defined import TOKEN
from tests.support.elsewhere import elsewhere
from tests.support.firefox import firefox
from tests.support.guided import HOSTILE, guided, hostile_sample
from tests.support.hands import reads
from tests.support.journey import sign_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.guided import Guided

pytestmark = [pytest.mark.integration, pytest.mark.needs("firefox-esr")]

# Each ends with a text: what was got, or that nothing was.
READ: Final = """async (url, token) => {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try { return await (await fetch(url, { headers })).text(); } catch { return "nothing"; }
}"""
FRAME: Final = """(url) => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.onload = () => resolve("loaded");
  frame.src = url;
  document.body.append(frame);
})"""
TRACES: Final = """() => JSON.stringify([
  document.documentElement.outerHTML, location.href, document.cookie, window.name, history.state,
  { ...localStorage }, { ...sessionStorage }, [...document.querySelectorAll("input")].map(({ value }) => value),
])"""


async def test_the_status_is_shown_live_and_nothing_is_asked_of_others(
    service: Guided, tmp_path: Path
) -> None:
    await service.connected("one")
    async with firefox(tmp_path / "profile", service.url) as hands:
        await hands.open(service.url)
        await reads(hands, "live", "ready", service.topic)
        assert hands.problems == []


async def test_another_origin_reads_nothing_and_frames_nothing(service: Guided, tmp_path: Path) -> None:
    async with elsewhere() as origin, firefox(tmp_path / "profile", service.url) as hands:
        await hands.open(origin)
        assert "elsewhere" in await hands.called(READ, f"{origin}/another", "")
        for path in ("/", "/api/status", "/metrics", "/data/foundation/flowservice/flows"):
            for token in ("", TOKEN):
                assert await hands.called(READ, service.url + path, token) == "nothing", path
        for url in (f"{origin}/another", service.url):
            await hands.called(FRAME, url)
        theirs, ours = await hands.frames(
            "[document.title, document.querySelectorAll('#state').length].join()"
        )
        assert theirs == "elsewhere,0"
        # What Firefox shows in the other's place says that it may not.
        assert ours.endswith(",0")


async def test_the_token_is_left_nowhere_and_gone_with_the_page(service: Guided, tmp_path: Path) -> None:
    async with firefox(tmp_path / "profile", service.url) as hands:
        await sign_in(hands, service)
        assert TOKEN not in await hands.called(TRACES)
        await hands.open(f"{service.url}/#destination")
        await hands.open(service.url)
        await reads(hands, "live", "Sign in", without="Sign out")
        assert hands.problems == []


async def test_hostile_names_are_text(kafka: str, topic: str, tmp_path: Path) -> None:
    async with (
        guided(kafka, topic, tmp_path, hostile_sample()) as service,
        firefox(tmp_path / "profile", service.url) as hands,
    ):
        await service.connected(*HOSTILE)
        await sign_in(hands, service)
        for view in ("Activate", "Destination", "Status"):
            await hands.press("link", view)
            await reads(hands, "onerror=", "<svg/onload")
            assert (
                await hands.called("() => document.querySelectorAll('img, iframe, svg script').length") == 0
            )
        # Firefox tells its console of each thing that a policy stops.
        assert hands.problems == []
