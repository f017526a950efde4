"""The flow of the last hour as a chart, in a real browser: what is drawn is what was counted, and can be read as well."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.axe import found_wrong
from tests.support.browser import shows
from tests.web.test_page_of_workers import DESK, PHONE, Scripted, page_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from playwright.async_api import Page, Route

pytestmark = [pytest.mark.needs("chromium")]

EVERY_S: Final = 15
NOON_MS: Final = 1_772_366_400_000
"""2026-03-01T12:00:00Z."""
Point = dict[str, float]


def hour(dead_from: int = 200, dead_to: int = 215) -> list[Point]:
    """An hour that ends at noon: waves, of which some is exported, and dead letters for a while."""
    return [
        point(
            number,
            received=120.0 + 60.0 * math.sin(number / 20),
            exported=60.0,
            stored=59.0,
            deadLettered=4.0 if dead_from <= number < dead_to else 0.0,
        )
        for number in range(240)
    ]


def point(number: int, **rates: float) -> Point:
    zeros = dict.fromkeys(("received", "exported", "stored", "deadLettered"), 0.0)
    return {"atMs": NOON_MS - (239 - number) * EVERY_S * 1000, **zeros, **rates}


class Told:
    """What the service tells the page of the last hour; None where it does not answer."""

    def __init__(self, points: Sequence[Point] | None) -> None:
        self.points = points
        self.asked = 0

    async def answer(self, route: Route) -> None:
        self.asked += 1
        if self.points is None:
            await route.abort()
        else:
            await route.fulfill(json={"everyS": EVERY_S, "points": list(self.points)})


@asynccontextmanager
async def page_told(told: Told) -> AsyncIterator[Page]:
    async with page_of(Scripted()) as page:
        await page.route("**/api/flow", told.answer)
        await page.reload()
        await shows(page, "#workers", "87 %")
        yield page


async def drawn(page: Page, what: str) -> list[str]:
    """The paths of a class."""
    found: list[str] = await page.evaluate(
        "(what) => [...document.querySelectorAll(`#hour-chart path.${what}`)].map((each) => each.getAttribute('d'))",
        what,
    )
    return found


async def texts(page: Page, kind: str) -> list[str]:
    found: list[str] = await page.locator(f"#hour-chart text.{kind}").all_text_contents()
    return found


async def test_it_is_drawn_with_round_values_and_times_and_a_legend_of_what_flows_now() -> None:
    async with page_told(Told(hour())) as page:
        await shows(page, "#hour-legend", "received")
        assert await texts(page, "value") == ["0", "50", "100", "150", "200"]
        assert await texts(page, "unit") == ["per second"]
        times = await texts(page, "time")
        assert times[0] == "11:05"
        assert set(times) <= {f"11:{minute:02}" for minute in range(0, 60, 5)}
        (received,) = await drawn(page, "line.received")
        assert received.count("L") == 239
        legend = await page.locator("#hour-legend li").all_inner_texts()
        assert [each.split() for each in legend] == [
            ["now:"],
            ["received", f"{round(hour()[-1]['received'])}/s"],
            ["exported", "60/s"],
            ["records", "stored", "59/s"],
            ["dead", "letters", "0/s"],
        ]


async def test_dead_letters_are_a_band_where_there_were_some_and_nothing_where_there_were_none() -> None:
    async with page_told(Told(hour())) as page:
        await shows(page, "#hour-legend", "received")
        assert len(await drawn(page, "band")) == len(await drawn(page, "line.deadLettered")) == 1
    async with page_told(Told(hour(0, 0))) as page:
        await shows(page, "#hour-legend", "received")
        assert await drawn(page, "band") == await drawn(page, "line.deadLettered") == []


async def test_where_nobody_looked_there_is_no_line() -> None:
    points = [each for number, each in enumerate(hour()) if not 100 < number < 130]
    async with page_told(Told(points)) as page:
        await shows(page, "#hour-legend", "received")
        assert len(await drawn(page, "line.received")) == 2


async def test_a_moment_that_is_pointed_at_is_told_with_its_time_until_the_pointer_leaves() -> None:
    async with page_told(Told(hour())) as page:
        await shows(page, "#hour-legend", "now:")
        box = await page.locator("#hour-chart svg").bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + box["width"] - 9, box["y"] + 60)
        await shows(page, "#hour-legend", "at 12:00:00Z:")
        await page.mouse.move(box["x"] + 1, box["y"] + 60)
        await shows(page, "#hour-legend", "at 11:00:15Z:")
        await page.mouse.move(box["x"], box["y"] - 80)
        await shows(page, "#hour-legend", "now:")
        assert await page.locator("#hour-chart .moment").count() == 0


async def test_who_does_not_see_it_hears_a_sum_of_it_and_may_read_a_table_of_its_minutes() -> None:
    async with page_told(Told(hour())) as page:
        await shows(page, "#hour-legend", "received")
        words = await page.get_attribute("#hour-chart svg[role=img]", "aria-label")
        assert words is not None
        assert words.startswith("Rates of the last 60 min. received: ")
        assert "dead letters: 0/s now, at most 4/s at 11:50:15Z" in words
        await page.get_by_text("The same as a table").focus()
        await page.keyboard.press("Enter")
        rows = page.locator("#hour-table tbody tr")
        first = await rows.first.locator("th, td").all_inner_texts()
        assert first == ["12:00", f"{round(hour()[-1]['received'])}/s", "60/s", "59/s", "0/s"]
        assert await rows.count() == 61


async def test_a_service_that_has_just_begun_says_that_there_is_nothing_yet() -> None:
    told = Told([])
    async with page_told(told) as page:
        await shows(page, "#hour-note", "There is nothing to be drawn yet")
        assert await page.is_hidden("#hour-chart")
        assert await page.is_hidden("#hour-details")
        told.points = [point(238, received=5.0), point(239, received=0.25)]
        await page.reload()
        await shows(page, "#hour-legend", "received")
        assert await texts(page, "value") == ["0", "2", "4", "6"]
        assert await texts(page, "time") == ["11:56", "11:57", "11:58", "11:59"]


async def test_where_nothing_flows_the_lines_are_at_nothing() -> None:
    async with page_told(Told([point(number) for number in range(240)])) as page:
        await shows(page, "#hour-legend", "received")
        assert await texts(page, "value") == ["0", "1"]
        (received,) = await drawn(page, "line.received")
        heights = {step.split()[1].removesuffix("h.1") for step in received.removeprefix("M").split("L")}
        assert len(heights) == 1


async def test_a_service_that_does_not_answer_is_told_and_what_is_known_stays() -> None:
    told = Told(hour())
    async with page_told(told) as page:
        await shows(page, "#hour-legend", "received")
        told.points = None
        asked = told.asked
        # Somebody comes back to the tab: it is asked at once.
        for state in ("true", "false"):
            await page.evaluate(
                f"() => {{ Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {state} }});"
                " document.dispatchEvent(new Event('visibilitychange')) }"
            )
        await shows(page, "#hour-note", "The service does not say what flows; this ends at 12:00:00Z")
        assert told.asked == asked + 1
        assert await page.is_visible("#hour-chart svg")


@pytest.mark.needs("axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone_and_nothing_is_wrong_with_it(scheme: Any) -> None:
    async with page_told(Told(hour())) as page:
        await page.emulate_media(color_scheme=scheme)
        for size in (DESK, PHONE):
            await page.set_viewport_size(size)
            await shows(page, "#hour-legend", "received")
            while int(await page.get_attribute("#hour-chart svg", "width") or 0) > size["width"]:
                await asyncio.sleep(0.02)
            await page.evaluate("document.getElementById('hour-details').open = true")
            await shows(page, "#hour-table", "12:00")
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            assert await found_wrong(page) == []
