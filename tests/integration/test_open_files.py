"""A worker on a machine that allows few open files: it uses what it may, and says what it would need."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.conftest import create_topic
from tests.support.process import destination_file, environ, processor, url_of
from tests.support.world import vector

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from processor.embedded import EmbeddedKinesis

pytestmark = pytest.mark.integration

PARTITIONS = 40


def limited(option: str, files: int) -> list[str]:
    """What starts a command with a limit: `-Sn` of the soft one, which shells and systemd have at 1,024, `-n` of both."""
    return ["sh", "-c", f'ulimit {option} {files} && exec "$@"', "sh"]


def settings(kafka: str, topic: str, home: Path, workers: int) -> Mapping[str, str]:
    return {**environ(kafka, topic, home), "PROCESSOR_WORKERS": str(workers)}


async def until_told(child: asyncio.subprocess.Process, lines: list[str], what: str, times: int = 1) -> None:
    """Wait for lines that hold `what`, of so many partitions where it names them."""
    while True:
        told = [line for line in lines if what in line]
        if len({re.sub(r".*\"partition\": (\d+).*", r"\1", line) for line in told}) >= times:
            return
        assert child.returncode is None, "".join(lines)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_low_soft_limit_is_raised_by_every_worker(
    kafka: str, kinesis: EmbeddedKinesis, stream: str, tmp_path: Path, workers: int
) -> None:
    topic = f"many-{stream}-{workers}"
    await create_topic(kafka, topic, partitions=PARTITIONS)
    path = destination_file(tmp_path, vector("seed-example"), stream, kinesis.endpoint_url)
    running = processor(
        "run",
        "--destination",
        str(path),
        environ=settings(kafka, topic, tmp_path, workers),
        started_by=limited("-Sn", 200),
    )
    async with running as (child, lines):
        await until_told(child, lines, "partition restored", PARTITIONS)
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0
    assert "open files" not in "".join(lines)


async def test_a_hard_limit_that_cannot_hold_the_partitions_leaves_it_unready_with_the_remedy(
    kafka: str, kinesis: EmbeddedKinesis, stream: str, tmp_path: Path
) -> None:
    topic = f"few-{stream}"
    await create_topic(kafka, topic, partitions=PARTITIONS)
    path = destination_file(tmp_path, vector("seed-example"), stream, kinesis.endpoint_url)
    running = processor(
        "run",
        "--destination",
        str(path),
        environ=settings(kafka, topic, tmp_path, 1),
        started_by=limited("-n", 250),
    )
    async with running as (child, lines), aiohttp.ClientSession() as http:
        await until_told(child, lines, "partitions assigned")
        async with http.get(f"{await url_of(lines)}/readyz") as answer:
            assert answer.status == 503
            reason = (await answer.json())["reasons"]["open files"]
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0
    (told,) = [line for line in lines if "open files" in line]
    for part in (f"{PARTITIONS} partitions", "may have 250", "LimitNOFILE", "ulimit", "run more workers"):
        assert part in told
        assert part in reason
    assert "Traceback" not in "".join(lines)
    assert not any("partition restored" in line for line in lines), "none was begun"


async def test_workers_that_start_together_take_their_shares_once_all_have_joined(
    kafka: str, kinesis: EmbeddedKinesis, stream: str, tmp_path: Path
) -> None:
    """Whoever joins first is given all partitions, which is more than it may hold."""
    topic = f"shared-{stream}"
    await create_topic(kafka, topic, partitions=PARTITIONS)
    path = destination_file(tmp_path, vector("seed-example"), stream, kinesis.endpoint_url)
    running = processor(
        "run",
        "--destination",
        str(path),
        environ=settings(kafka, topic, tmp_path, 3),
        started_by=limited("-n", 200),
    )
    async with running as (child, lines):
        await until_told(child, lines, "partition restored", PARTITIONS)
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0
    assert "a worker died" not in "".join(lines)
