"""A worker on a machine that allows few open files: it uses what it may, and says what it would need."""

from __future__ import annotations

import asyncio
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from tests.conftest import create_topic
from tests.integration.test_process import destination_file, environ, processor
from tests.integration.world import vector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from processor.embedded import EmbeddedKinesis

pytestmark = pytest.mark.integration

PARTITIONS = 40


@pytest.fixture
def soft_limit() -> Iterator[int]:
    """As a shell or systemd begins with, but lower; the hard one stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    yield 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def settings(kafka: str, topic: str, home: Path, workers: int) -> Mapping[str, str]:
    return {**environ(kafka, topic, home), "PROCESSOR_WORKERS": str(workers)}


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_low_soft_limit_is_raised_by_every_worker(
    soft_limit: int, kafka: str, kinesis: EmbeddedKinesis, stream: str, tmp_path: Path, workers: int
) -> None:
    topic = f"many-{stream}-{workers}"
    await create_topic(kafka, topic, partitions=PARTITIONS)
    path = destination_file(tmp_path, vector("seed-example"), stream, kinesis.endpoint_url)
    assert soft_limit < PARTITIONS * 6
    running = processor("run", "--destination", str(path), environ=settings(kafka, topic, tmp_path, workers))
    async with running as (child, lines):
        while sum("partition restored" in line for line in lines) < PARTITIONS:
            assert child.returncode is None, "".join(lines)
            await asyncio.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0
    assert "open files" not in "".join(lines)
