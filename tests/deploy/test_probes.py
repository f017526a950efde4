"""The probes of the manifests, asked of a running service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from processor.embedded.server import free_ports
from tests.deploy.manifests import OVERLAYS, container, rendered, the
from tests.support.process import destination_file, environ, processor, url_of
from tests.support.world import vector

if TYPE_CHECKING:
    from pathlib import Path

    from processor.embedded import EmbeddedKinesis

pytestmark = [
    pytest.mark.integration,
    pytest.mark.needs("kustomize"),
    pytest.mark.parametrize("overlay", OVERLAYS),
]


async def status(http: aiohttp.ClientSession, url: str, path: str) -> int:
    async with http.get(f"{url}{path}") as answer:
        return answer.status


async def answers(url: str, overlay: str) -> dict[str, bool]:
    """What each probe would say; a kubelet takes 200 to 399 for a yes."""
    async with aiohttp.ClientSession() as http:
        return {
            kind: 200 <= await status(http, url, container(overlay)[f"{kind}Probe"]["httpGet"]["path"]) < 400
            for kind in ("startup", "liveness", "readiness")
        }


async def test_a_service_that_waits_for_kafka_is_alive_and_not_ready(
    overlay: str, kinesis: EmbeddedKinesis, stream: str, tmp_path: Path
) -> None:
    (nobody,) = free_ports(1)
    path = destination_file(tmp_path, vector("seed-example"), stream, kinesis.endpoint_url)
    ours = environ(f"127.0.0.1:{nobody}", "events", tmp_path)
    async with processor("run", "--destination", str(path), environ=ours) as (_, lines):
        url = await url_of(lines)
        assert await answers(url, overlay) == {"startup": True, "liveness": True, "readiness": False}


async def test_a_service_that_works_is_ready_and_scraped(
    overlay: str, kafka: str, topic: str, kinesis: EmbeddedKinesis, stream: str, tmp_path: Path
) -> None:
    path = destination_file(tmp_path, vector("seed-example"), stream, kinesis.endpoint_url)
    ours = environ(kafka, topic, tmp_path)
    async with processor("run", "--destination", str(path), environ=ours) as (_, lines):
        url = await url_of(lines)
        while not all((await answers(url, overlay)).values()):
            await asyncio.sleep(0.05)
        (scraped,) = the(rendered(overlay), "PodMonitor")["spec"]["podMetricsEndpoints"]
        async with aiohttp.ClientSession() as http:
            assert await status(http, url, scraped["path"]) == 200
