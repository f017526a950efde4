"""Our alert rules, played ten times as fast, and when each of them fired."""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.deploy.prometheus import Prometheus, start_prometheus
from tests.deploy.tools import DEPLOY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TIMES: Final = 10
"""As fast: what the rules have wait ten minutes waits one. Thresholds stay as they are."""

_LOOK_EVERY_S: Final = 1.0
_SPAN: Final = re.compile(r"\b(\d+)(m|h)\b")
_SECONDS: Final = {"m": 60, "h": 3600}


def quickened(rules: str) -> str:
    """The rules with every span of time a tenth as long."""
    return _SPAN.sub(lambda found: f"{int(found[1]) * _SECONDS[found[2]] // TIMES}s", rules)


class Alerts:
    """Which alerts have fired, and since when."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.fired: list[tuple[float, str]] = []
        """When each began to fire."""
        self._prometheus = prometheus
        self._firing: set[str] = set()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            rules = await asyncio.to_thread(self._prometheus.rules)
            firing = {rule["name"] for rule in rules if rule.get("state") == "firing"}
            self.fired += [(loop.time(), name) for name in sorted(firing - self._firing)]
            self._firing = firing
            await asyncio.sleep(_LOOK_EVERY_S)

    @property
    def firing(self) -> set[str]:
        """Those that fire now."""
        return set(self._firing)


@contextmanager
def start_alerts(binary: str, directory: Path, ports: Sequence[int]) -> Iterator[Alerts]:
    """A Prometheus that scrapes these ports every second."""
    rules = directory / "rules.yaml"
    rules.write_text(quickened((DEPLOY / "prometheus" / "rules.yaml").read_text(encoding="utf-8")))
    with start_prometheus(
        directory, [f"127.0.0.1:{port}" for port in ports], binary=binary, rules=rules, every="1s"
    ) as started:
        yield Alerts(started)
