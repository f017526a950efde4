"""Our alert rules, played ten times as fast, and when each of them fired."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.night.recording import Fired, case_of
from tests.support.deploy_files import DEPLOY
from tests.support.prometheus import Prometheus, start_prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TIMES: Final = 10
"""As fast: what the rules have wait ten minutes waits one. Thresholds stay as they are."""

_LOOK_EVERY_S: Final = 1.0
_STEADY_S: Final = 4.0
"""How long an alert has fired when what it is of is written down: others of its name may follow it."""
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
        self._firing: dict[str, list[dict[str, Any]]] = {}
        self._since_s: dict[str, float] = {}
        self._recorded: dict[str, Fired] = {}

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            rules = await asyncio.to_thread(self._prometheus.rules)
            now_s = loop.time()
            firing = {
                rule["name"]: [alert for alert in rule["alerts"] if alert["state"] == "firing"]
                for rule in rules
                if rule.get("state") == "firing"
            }
            self.fired += [(now_s, name) for name in sorted(firing.keys() - self._firing.keys())]
            self._since_s = {name: self._since_s.get(name, now_s) for name in firing}
            self._firing = firing
            for name, since_s in self._since_s.items():
                if now_s > since_s + _STEADY_S and name not in self._recorded:
                    self._recorded[name] = Fired(name, int(time.time()), tuple(firing[name]))
            await asyncio.sleep(_LOOK_EVERY_S)

    @property
    def firing(self) -> set[str]:
        """Those that fire now."""
        return set(self._firing)

    def recorded(self) -> list[dict[str, Any]]:
        """Of each alert that fired for some seconds, the first time: its series, as one of promtool's tests."""
        return [case_of(fired, self._prometheus, TIMES) for fired in self._recorded.values()]


@contextmanager
def start_alerts(binary: str, directory: Path, ports: Sequence[int]) -> Iterator[Alerts]:
    """A Prometheus that scrapes these ports every second."""
    rules = directory / "rules.yaml"
    rules.write_text(quickened((DEPLOY / "prometheus" / "rules.yaml").read_text(encoding="utf-8")))
    targets = [f"127.0.0.1:{port}" for port in ports]
    scraped = {"job_name": "processor", "static_configs": [{"targets": targets}]}
    with start_prometheus(directory, scraped, binary=binary, rules=rules, every="1s") as started:
        yield Alerts(started)
