"""What a person does with a page, by what a screen reader calls its parts: in Chromium, and in Firefox (`firefox.py`)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from playwright.async_api import TimeoutError as PlaywrightTimeout
from playwright.async_api import async_playwright

from tests.support.needs import program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Locator, Page

WITHIN_S: Final = 30
LOOK_AGAIN_S: Final = 0.05
_LOOKS: Final = "/data/foundation/processor/"
"""Calls of the service's own, none of which changes anything."""


class Hands(Protocol):
    """Each waits until there is the part that it is for, and that can be used; names are whole, as they are read out."""

    problems: list[str]
    """What the browser complained of, and what was asked for elsewhere."""

    async def open(self, url: str) -> None:
        """Go to a page."""

    async def press(self, role: str, name: str) -> None:
        """Click on a button, a link, a radio or a checkbox."""

    async def confirm(self, name: str) -> None:
        """Click on a button of the dialog that is asked."""

    async def write(self, name: str, text: str) -> None:
        """Type into a text field, in the place of what it has."""

    async def choose(self, name: str, option: str) -> None:
        """Choose of a list."""

    async def unfold(self, name: str) -> None:
        """Open what is folded under a summary."""

    async def text(self) -> str:
        """All that can be read on the page now."""

    async def keys(self, *names: str) -> None:
        """Press keys, one after the other: `Tab`, `Shift+Tab`, `Enter`, `Space`, `Escape`, arrows, or characters."""


async def reads(hands: Hands, *texts: str, without: str | None = None) -> str:
    """All that can be read, once it has each of `texts`, and not `without`."""
    told = ""
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                told = await hands.text()
                if all(each in told for each in texts) and (without is None or without not in told):
                    return told
                await asyncio.sleep(LOOK_AGAIN_S)
    except TimeoutError:
        lacking = [each for each in texts if each not in told]
        wrong = f"the page lacks {lacking}, or still has {without!r}"
        raise AssertionError(f"{wrong}, with {hands.problems}:\n{told}") from None


class ChromiumHands:
    """One page of Chromium."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.changes: list[str] = []
        """Method and path of each call that changes something where it is accepted."""
        self._origin = ""
        page.set_default_timeout(WITHIN_S * 1000)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._asked)

    async def open(self, url: str) -> None:
        self._origin = url.partition("#")[0].rstrip("/")
        await self.page.goto(url)

    async def press(self, role: str, name: str) -> None:
        async with self._telling():
            await self.part(role, name).click()

    async def confirm(self, name: str) -> None:
        async with self._telling():
            await self.page.get_by_role("dialog").last.get_by_role("button", name=name, exact=True).click()

    async def write(self, name: str, text: str) -> None:
        async with self._telling():
            await self.field(name).fill(text)

    async def choose(self, name: str, option: str) -> None:
        async with self._telling():
            await self.part("combobox", name).select_option(label=option)

    async def unfold(self, name: str) -> None:
        async with self._telling():
            await self.page.locator("summary:visible").get_by_text(name, exact=True).click()

    async def text(self) -> str:
        return await self.page.inner_text("body")

    async def keys(self, *names: str) -> None:
        for name in names:
            await self.page.keyboard.press(name)

    def part(self, role: Any, name: str) -> Locator:
        return self.page.get_by_role(role, name=name, exact=True)

    def field(self, name: str) -> Locator:
        """A text field; one whose text is hidden has no role."""
        return self.page.get_by_label(name, exact=True)

    @asynccontextmanager
    async def _telling(self) -> AsyncIterator[None]:
        """Tell what was on the page where something did not come."""
        try:
            yield
        except PlaywrightTimeout as error:
            raise AssertionError(f"{error}, with {self.problems}:\n{await self.text()}") from None

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def _asked(self, request: Any) -> None:
        if self._origin and not request.url.startswith(self._origin):
            self.problems.append(f"asked for {request.url}")
        path = request.url.removeprefix(self._origin)
        if request.method != "GET" and not path.startswith(_LOOKS):
            self.changes.append(f"{request.method} {path}")


@asynccontextmanager
async def chromium(*arguments: str) -> AsyncIterator[Browser]:
    """The system's Chromium, with further arguments, until the block ends."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program("chromium"), args=["--no-sandbox", *arguments]
        )
        try:
            yield browser
        finally:
            await browser.close()
