"""Browsers for a test, and a service to look at with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.guided import guided
from tests.support.hands import chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from tests.support.guided import Guided


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as found:
        yield found


@pytest.fixture
async def service(kafka: str, topic: str, tmp_path: Path) -> AsyncIterator[Guided]:
    """Nobody has connected it; its topic has the example and some more profiles."""
    async with guided(kafka, topic, tmp_path) as found:
        yield found
