"""The dashboard and the rules against a real Prometheus that scrapes a real run."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
import trustme
import yaml

from processor.configuration import load_configuration
from processor.demo import producer
from processor.demo.workload import DESTINATION, GOVERNANCE
from processor.embedded.server import free_ports
from processor.telemetry.metrics import TARGET_LABELS
from tests.support.deploy_files import DEPLOY, ROOT, load
from tests.support.needs import program
from tests.support.process import environ, processor
from tests.support.prometheus import Prometheus, start_prometheus
from tests.support.rules import ALERTS, RECORDED, RULES, exposed, names_in
from tests.support.world import settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from processor.embedded import EmbeddedKinesis

GRAFANA: Final = DEPLOY / "grafana"
DASHBOARD: Final = json.loads((GRAFANA / "processor.json").read_text())
QUERIES: Final = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
}
SOMETHING_WRONG: Final = {"processor:shard_throttled:ratio5m"}
"""Has a value only where something is wrong."""


def test_the_dashboard_is_what_the_script_writes() -> None:
    script = [sys.executable, str(GRAFANA / "dashboard.py")]
    written = json.loads(subprocess.run(script, capture_output=True, check=True).stdout)
    assert written == DASHBOARD, "python deploy/grafana/dashboard.py > deploy/grafana/processor.json"


def test_the_operator_s_rules_are_what_the_script_writes() -> None:
    script = [sys.executable, str(RULES.with_name("prometheusrule.py"))]
    written = subprocess.run(script, capture_output=True, check=True, text=True).stdout
    assert written == RULES.with_name("prometheusrule.yaml").read_text(), "make manifests"
    assert yaml.safe_load(written)["spec"] == load(RULES)


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_metric_that_the_dashboard_reads_is_one() -> None:
    for title, query in QUERIES.items():
        assert names_in(query) <= exposed() | RECORDED, title


@pytest.fixture
async def prometheus(kafka: str, kinesis: EmbeddedKinesis, tmp_path: Path) -> AsyncIterator[Prometheus]:
    """One that scrapes two workers which the demo's events go through, at a closed port, as the run-book has it."""
    name = f"scraped-{tmp_path.name.replace('_', '-')}"
    path = tmp_path / "destination.yaml"
    path.write_text(DESTINATION.format(region="eu-west-1", url=kinesis.endpoint_url, stream=name))
    (tmp_path / "governance.yaml").write_text(GOVERNANCE)
    settings = settings_for(kafka, name)
    destination, _ = await asyncio.to_thread(load_configuration, path, None, {})
    await producer.prepare(settings.kafka, destination)
    (port,) = free_ports(1)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "processor-ca.crt")
    issued.private_key_pem.write_to_path(tmp_path / "tls.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    (tmp_path / "processor-token").write_text("token-41\n")
    ours = {
        **environ(kafka, name, tmp_path),
        "PROCESSOR_HTTP_TOKEN_FILE": str(tmp_path / "processor-token"),
        "PROCESSOR_HTTP_TLS_CERT_FILE": str(tmp_path / "tls.crt"),
        "PROCESSOR_HTTP_TLS_KEY_FILE": str(tmp_path / "tls.key"),
        "PROCESSOR_WORKERS": "2",
        "PROCESSOR_HTTP_PORT": str(port),
        "PROCESSOR_GOVERNANCE_FILE": str(tmp_path / "governance.yaml"),
    }
    stop = asyncio.Event()
    running = processor("run", "--destination", str(path), environ=ours)
    async with running as (child, _), asyncio.TaskGroup() as tasks:
        tasks.create_task(producer.produce(settings.kafka, 300, stop))
        try:
            scraped = closed(tmp_path, f"127.0.0.1:{port}")
            with start_prometheus(tmp_path, scraped, binary=program("prometheus")) as scraping:
                scraping.of = {"group": f"group-{name}", "topic": name, "stream": name}
                yield scraping
        finally:
            stop.set()
            child.send_signal(signal.SIGTERM)
            await child.wait()


def closed(directory: Path, target: str) -> dict[str, Any]:
    """The run-book's way to scrape a closed port, for our files and target."""
    page = (ROOT / "docs" / "operations.md").read_text()
    (text,) = re.findall(r"```yaml\n(# prometheus.yml\n.*?)```", page, flags=re.DOTALL)
    text = text.replace("/etc/prometheus/", f"{directory}/").replace("processor.internal:8080", target)
    (scraped,) = yaml.safe_load(text)["scrape_configs"]
    assert isinstance(scraped, dict)
    return scraped


@pytest.mark.needs("prometheus")
@pytest.mark.integration
async def test_every_panel_and_every_recording_has_data_and_no_alert_fires(prometheus: Prometheus) -> None:
    waiting = {
        **{title: asked(query) for title, query in QUERIES.items()},
        **{name: name for name in RECORDED - SOMETHING_WRONG},
    }
    try:
        async with asyncio.timeout(120):
            while waiting:
                found = [
                    title
                    for title, query in waiting.items()
                    if await asyncio.to_thread(prometheus.query, query)
                ]
                for title in found:
                    del waiting[title]
                await asyncio.sleep(0.5)
    except TimeoutError:
        pytest.fail(f"no data: {waiting}")
    rules = {rule["name"]: rule for rule in await asyncio.to_thread(prometheus.rules)}
    assert set(rules) == set(ALERTS) | RECORDED
    assert [rule for rule in rules.values() if rule["health"] != "ok"] == []
    for name in RECORDED - SOMETHING_WRONG:
        for series in await asyncio.to_thread(prometheus.query, name):
            told = {label: series["metric"].get(label) for label in TARGET_LABELS}
            assert told == prometheus.of, name
    # The demo has events that are dead-lettered.
    assert firing(rules) <= {"ProcessorDeadLetters"}


def firing(rules: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, rule in rules.items() if rule.get("state") == "firing"}


def asked(query: str) -> str:
    """The query as Grafana would send it, with all jobs and groups chosen."""
    return re.sub(r"\$(job|group)\b", ".*", query).replace("$__rate_interval", "5s")
