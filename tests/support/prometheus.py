"""A real Prometheus, and what is asked of it."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import yaml

from processor.embedded.server import ServerProcess, free_ports
from tests.support.deploy_files import DEPLOY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULES: Final = DEPLOY / "prometheus" / "rules.yaml"


class Prometheus:
    def __init__(self, url: str) -> None:
        self._url = url
        self.of: dict[str, str] = {}
        """What its target's series are labelled with, for a test to compare."""

    def query(self, query: str) -> list[dict[str, Any]]:
        """The series of an instant query, as of now; without those that are not a number."""
        answer = self._get("query", query=query)["result"]
        return [series for series in answer if series["value"][1] != "NaN"]

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def range(self, query: str, begin_s: int, end_s: int, step_s: int) -> list[dict[str, Any]]:
        """The series of a query between two moments, in seconds of Unix time."""
        found: list[dict[str, Any]] = self._get(
            "query_range", query=query, start=str(begin_s), end=str(end_s), step=str(step_s)
        )["result"]
        return found

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _get(self, what: str, **parameters: str) -> Any:
        with urllib.request.urlopen(
            f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}", timeout=10
        ) as answer:
            return json.load(answer)["data"]


@contextmanager
def start_prometheus(
    directory: Path, scraped: dict[str, Any], *, binary: str, rules: Path = RULES, every: str = "500ms"
) -> Iterator[Prometheus]:
    """One that scrapes what one of its `scrape_configs` says, and evaluates the rules as often."""
    config = directory / "prometheus.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": every, "evaluation_interval": every},
                "rule_files": [str(rules)],
                "scrape_configs": [scraped],
            }
        )
    )
    (port,) = free_ports(1)
    server = ServerProcess(
        "Prometheus",
        [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        directory / "prometheus.log",
    )
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    try:
        server.wait_until(prometheus.is_ready, 60)
        yield prometheus
    finally:
        server.kill()
