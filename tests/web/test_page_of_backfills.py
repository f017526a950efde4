"""What the page shows of backfills, in a real browser, over scripted workers: nothing where there is none to tell of."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from processor.telemetry.backfill_report import BackfillReport
from tests.support.browser import shows
from tests.web.test_page_of_workers import DESK, PHONE, Scripted, asked_again, page_of

pytestmark = [pytest.mark.needs("chromium")]

WAITING = BackfillReport(
    partition=5,
    stage="waiting",
    fingerprint="7c1e9a0d5b3f48a2c1e9a0d5b3f48a27",
    former="04d2b8c0ffee48a2c1e9a0d5b3f48a27",
    request=None,
    share=0.0,
    running_s=0.0,
    still_s=1.0,
)
RUNNING = replace(
    WAITING,
    partition=4,
    stage="running",
    share=0.25,
    running_s=300.0,
    offsets=40_000,
    remaining=30_000,
    events=9_000,
    profiles=3_000,
    exported=1_000,
    refused={"too-large": 1, "bad-membership": 40},
)
COMPLETE = replace(
    RUNNING,
    stage="complete",
    share=1.0,
    ended_s=60.0,
    remaining=0,
    unmet=12,
    source_from_ms=1_780_000_000_000,
)
FIGURES = {"received": 1_000.0, "cpu": 0.04, "backfillRead": 400.0}


def reporting(*backfills: BackfillReport) -> dict[str, Any]:
    return {"backfills": list(backfills), "rates": FIGURES}


async def test_a_backfill_is_shown_with_its_share_what_is_left_and_what_came_of_it() -> None:
    scripted = Scripted()
    async with page_of(scripted) as page:
        assert await page.is_hidden("#backfill-section")
        scripted.changes = reporting(RUNNING, WAITING)
        await shows(page, "#backfill-words", "13 %: 0 of 4 partitions done, about 35 min left")
        assert await page.get_attribute("#backfill-bar", "value") == "0.125"
        figures = [text.split("\n") for text in await page.locator("#backfill-figures li").all_inner_texts()]
        assert figures == [
            ["events read again", "18,000", "800/s"],
            ["profiles looked at", "6,000", "0/s"],
            ["exported", "2,000", "0/s"],
        ]
        notes = await page.locator("#backfill-notes li").all_inner_texts()
        assert notes == [
            "The configuration has changed, from 04d2b8c0 to 7c1e9a0d: every profile's latest event is looked at once more.",
            "82 profiles stay as they are, for their latest events are refused now: bad-membership 80, too-large 2.",
        ]
        rows = await page.locator("#backfills tbody tr").all_inner_texts()
        cells = [[cell.strip() for cell in row.split("\t")] for row in rows]
        assert cells[0] == ["4", "0", "25 %", "9,000", "3,000", "1,000", "41"]
        assert cells[2] == ["5", "0", "waits", "", "", "", ""]
        scripted.changes = reporting(WAITING)
        await shows(page, "#backfill-words", "waits for live events: 2 partitions")
        scripted.changes = reporting(COMPLETE)
        await shows(page, "#backfill-words", "complete in 2 partitions")
        notes = await page.locator("#backfill-notes li").all_inner_texts()
        assert "every profile's latest event was looked at once more" in notes[0]
        assert notes[2] == (
            "24 profiles that were exported have no event in the source any more, and stay as they are. "
            "The source begins at 2026-05-28T20:26:40Z."
        )
        scripted.changes = reporting()
        await asked_again(scripted)
        assert await page.is_hidden("#backfill-section")


async def test_one_that_is_due_under_off_says_how_it_is_begun() -> None:
    scripted = Scripted()
    async with page_of(scripted) as page:
        scripted.changes = reporting(replace(WAITING, stage="off"))
        await shows(page, "#backfill-words", "due in 2 partitions, and not begun")
        assert await page.is_hidden("#backfill-bar")
        assert await page.get_attribute("#backfill-words", "class") == "warn"
        note = page.locator("#backfill-notes li.warn")
        assert "PROCESSOR_BACKFILL=off" in await note.inner_text()
        assert "Type “processor backfill”" in await note.inner_text()
        scripted.changes = reporting(replace(RUNNING, request="a-request"))
        await shows(page, "#backfill-notes", "It was asked for (a-request)")
        assert await page.is_visible("#backfill-bar")


async def test_a_backfill_fits_a_phone() -> None:
    scripted = Scripted()
    scripted.changes = reporting(
        RUNNING, WAITING, replace(COMPLETE, partition=6), replace(WAITING, partition=7, stage="off")
    )
    async with page_of(scripted) as page:
        for viewport in (PHONE, DESK):
            await page.set_viewport_size(viewport)
            assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
            places = await page.evaluate(
                "[...document.querySelectorAll('#backfill-section *')].map((each) => each.getBoundingClientRect())"
                ".filter((each) => each.width).map(({ left, right }) => [left, right])"
            )
            assert places
            assert all(0 <= left < right <= viewport["width"] for left, right in places)
