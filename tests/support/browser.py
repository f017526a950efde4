"""A page in a browser."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page


async def shows(page: Page, selector: str, text: str) -> None:
    # The page's own policy forbids what a browser would evaluate for a wait of its own.
    while text not in await page.inner_text(selector):
        await asyncio.sleep(0.05)
