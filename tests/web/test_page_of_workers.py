"""What the page makes of what workers report, in a real browser: scripted workers, so that all they can report is seen."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec.structs import replace
from playwright.async_api import ViewportSize, async_playwright

from processor.settings import ServiceSettings
from processor.telemetry.report import (
    DiskReport,
    Fleet,
    LimitReport,
    Observation,
    PartitionReport,
    Report,
    ShardReport,
)
from processor.web.server import Intervals, serve
from tests.support.browser import shows
from tests.support.needs import program
from tests.support.reports import FLOW, report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

pytestmark = [pytest.mark.needs("chromium")]

PHONE: ViewportSize = {"width": 360, "height": 740}
NARROW: ViewportSize = {"width": 700, "height": 800}
DESK: ViewportSize = {"width": 1100, "height": 800}


class Scripted:
    """Two workers that report what a test has them report, and how often they were asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.changes: dict[str, Any] = {}
        self.notice: str | None = None
        """Why no worker is to run; None where they are."""
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def ask(self) -> Fleet:
        await self.goes_on.wait()
        self.asked += 1
        if self.notice is not None:
            return Fleet([], notice=self.notice)
        return Fleet([Observation(self._worker(number), {}) for number in range(2)], {}, {0: 0, 1: 2})

    def _worker(self, number: int) -> Report:
        now_s = time.time()
        partitions = [
            PartitionReport(2 * number, True, 10, 20, 1_000 + self.asked, 5.0),
            PartitionReport(2 * number + 1, False, lag_records=7, restored=20, restore_goal=100),
        ]
        shards = [ShardReport("shardId-000000000000", 300.0, 0.0, 0, 1_000.0, 0, takes_nothing=False)]
        return report(
            worker=number,
            at=now_s,
            started_at=now_s - 4_000,
            partitions=partitions,
            shards=shards,
            flow=replace(FLOW, busy=0.87, idle=0.13),
            disk=DiskReport("/state", 1 << 20, 50 << 30, 100 << 30),
            **{"rates": {"received": 1_000.0, "cpu": 0.04}} | self.changes,
        )


@asynccontextmanager
async def page_of(scripted: Scripted) -> AsyncIterator[Page]:
    problems: list[str] = []
    settings = ServiceSettings.model_validate({"http_port": 0})
    async with (
        async_playwright() as playwright,
        serve(settings, scripted.ask, intervals=Intervals(event_s=0.1)) as url,
    ):
        chromium = await playwright.chromium.launch(
            executable_path=program("chromium"), args=["--no-sandbox"]
        )
        try:
            page = await chromium.new_page(viewport=DESK)
            page.on("pageerror", lambda error: problems.append(str(error)))
            await page.goto(url)
            await shows(page, "#workers", "87 %")
            yield page
        finally:
            await chromium.close()
    assert problems == []


async def asked_again(scripted: Scripted, times: int = 3) -> None:
    until = scripted.asked + times
    while scripted.asked < until:
        await asyncio.sleep(0.02)


SELECTED = "getSelection().toString()"


async def test_what_is_selected_stays_selected_while_the_tables_go_on() -> None:
    scripted = Scripted()
    async with page_of(scripted) as page:
        for place in ("#partitions tbody tr", "#workers tbody", "#flow li", "#errors", "#items tbody"):
            selected = await page.evaluate(
                f"() => {{ getSelection().selectAllChildren(document.querySelector('{place}'));"
                f" return {SELECTED} }}"
            )
            assert selected
            await asked_again(scripted)
            now = await page.evaluate(SELECTED)
            if place != "#partitions tbody tr":
                assert now == selected
                continue
            # The lag in the row changes meanwhile, and the selection goes on to its end.
            while now == selected:
                await asyncio.sleep(0.02)
                now = await page.evaluate(SELECTED)
            assert (now[:2], len(now)) == (selected[:2], len(selected))


async def test_tables_have_captions_headings_and_named_rows_and_figures_say_what_they_mean() -> None:
    async with page_of(Scripted()) as page:
        for name in ("workers", "partitions", "shards", "items"):
            assert await page.inner_text(f"#{name} caption")
            headings = await page.locator(f"#{name} thead th[scope=col]").all_inner_texts()
            assert all(headings)
            rows = page.locator(f"#{name} tbody tr")
            assert await rows.count()
            for number in range(await rows.count()):
                assert await rows.nth(number).locator("th[scope=row]").count() == 1
                assert await rows.nth(number).locator("th, td").count() == len(headings)
        assert "Busy: the share of time with events in flight" in await page.inner_text("#workers caption")
        worker = await row(page, "workers")
        assert (worker["CPU"], worker["busy"], worker["restarts"]) == ("4 %", "87 %", "0")
        # Of the two workers' records the shard has the sum; of the limits that each found, no sum.
        shard = await row(page, "shards")
        assert (shard["records"], shard["limit of a worker"]) == ("600/s", "1,000/s each")
        assert await page.locator("main section h2").first.inner_text() == "How far behind"
        lines = [text.split("\n") for text in await page.locator("#lag li").all_inner_texts()]
        assert [line[0] for line in lines] == ["lag", "oldest", "event to acknowledgement, p99"]
        assert lines[1][1] == "5 s"


async def row(page: Page, table: str) -> dict[str, str]:
    """The first row of a table, by its headings."""
    headings = await page.locator(f"#{table} thead th").all_inner_texts()
    cells = await page.locator(f"#{table} tbody tr").first.locator("th, td").all_inner_texts()
    return dict(zip(headings, cells, strict=True))


async def test_no_column_is_lost_at_any_width() -> None:
    async with page_of(Scripted()) as page:
        for viewport in (PHONE, NARROW, DESK):
            await page.set_viewport_size(viewport)
            width = viewport["width"]
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            cells = await page.evaluate(
                "[...document.querySelectorAll('tbody th, tbody td')].map((cell) => {"
                " const { left, right, width } = cell.getBoundingClientRect();"
                " const heading = getComputedStyle(cell, '::before').content;"
                " return { heading, text: cell.textContent, left, right, width } })"
            )
            for cell in cells:
                if cell["text"]:
                    assert cell["width"] > 0
                    assert 0 <= cell["left"] < cell["right"] <= width, cell
                    # Stacked, each names its column itself.
                    assert (cell["heading"] == "none") == (viewport is DESK)


NEAR = LimitReport(0.6, is_held=False, notice="many were bad")
HELD = LimitReport(1.0, is_held=True, notice="too many were bad")


async def test_what_is_wrong_has_its_colour_and_its_mark_in_the_tab() -> None:
    scripted = Scripted()
    async with page_of(scripted) as page:
        figure = page.locator("#flow li", has_text="dead letters")
        for letters_per_s, limit, kind in (
            (902.0, LimitReport(), "bad"),
            (1.0, LimitReport(), "warn"),
            (0.0, HELD, "bad"),
            (0.0, NEAR, "warn"),
            (0.0, LimitReport(), ""),
        ):
            scripted.changes = {
                "rates": {"received": 1_000.0, "deadLettered": letters_per_s},
                "dead_letter_limit": limit,
            }
            while (
                (await figure.get_attribute("class") or "") != kind
                or await page.is_visible("#limit-section") != (limit.notice is not None)
                or (limit.notice or "") not in await page.inner_text("#limit")
            ):
                await asyncio.sleep(0.02)
        assert await page.title() == "Loyalty exports"
        scripted.changes = {"is_ready": False, "conditions": {"kinesis": "it is away"}}
        while await page.title() != "✗ Loyalty exports":
            await asyncio.sleep(0.02)
        assert await page.get_attribute("link[rel=icon]", "href") == "icon-unready.svg"
        assert await page.get_attribute("#state", "class") == "state bad"
        assert "it is away" in await page.inner_text("#reasons")


async def test_a_page_whose_service_hangs_is_not_green() -> None:
    """The connection stands, and nothing comes: as where the process is frozen."""
    scripted = Scripted()
    async with page_of(scripted) as page:
        await shows(page, "#state", "ready")
        scripted.goes_on.clear()
        # A minute passes, for the page alone.
        await page.evaluate("() => { const now = Date.now; Date.now = () => now() + 60000 }")
        await shows(page, "#state", "unreachable")
        assert await page.get_attribute("#state", "class") == "state bad"
        assert await page.title() == "? Loyalty exports"
        scripted.goes_on.set()
        await shows(page, "#state", "ready")
        assert await page.title() == "Loyalty exports"


async def test_where_no_worker_is_to_run_the_page_says_why_and_shows_nothing_of_those_that_ran() -> None:
    scripted = Scripted()
    async with page_of(scripted) as page:
        assert not await page.is_visible("#notice-section")
        scripted.notice = "nothing is exported: the dataflow is disabled"
        await shows(page, "#notice", "the dataflow is disabled")
        await shows(page, "#state", "ready")
        assert not await page.is_visible("#items")
        assert not await page.is_visible("#workers")
        scripted.notice = None
        await page.wait_for_selector("#workers", state="visible")
        assert not await page.is_visible("#notice-section")


FILLED: Final = """async () => {
  const { fill } = await import("/page/elements.js");
  const table = document.createElement("table");
  const rows = () => [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  fill(table, ["shard", "#records"], [], "not connected yet");
  const before = rows();
  fill(table, ["shard", "#records"], [{ key: "", cells: ["all", "300/s"] }], "not connected yet");
  return [before, rows()];
}"""


async def test_a_row_without_a_name_takes_the_place_of_the_word_that_there_is_none() -> None:
    async with page_of(Scripted()) as page:
        assert await page.evaluate(FILLED) == [[["not connected yet"]], [["all", "300/s"]]]
