"""The page in Debian's Firefox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.firefox import firefox
from tests.support.hands import reads

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.guided import Guided

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240), pytest.mark.needs("firefox-esr")]


async def test_the_status_is_shown_live_and_nothing_is_asked_of_others(
    service: Guided, tmp_path: Path
) -> None:
    await service.connected("one")
    async with firefox(tmp_path / "profile", service.url) as hands:
        await hands.open(service.url)
        await reads(hands, "live", "ready", service.topic)
        assert hands.problems == []
