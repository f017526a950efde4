"""Servers for a whole session, topics and streams for a test, and the watch over tasks that leak."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import hypothesis
import pytest
import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from blockbuster import blockbuster_ctx

from processor.embedded import EmbeddedKinesis, start_kafka, start_kinesis
from processor.native import faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

KEPT = {"retention.ms": "-1"}
"""Of topics whose events bear times that are years ago: by its default, Kafka would delete them within minutes."""
pytest_plugins = ["pytester", "tests.support.needs"]
pytest.register_assert_rewrite("tests.support")

hypothesis.settings.register_profile("default", max_examples=100, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=500, deadline=None, print_blob=True)
hypothesis.settings.register_profile("thorough", max_examples=20_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of a real broker: TESTS_KAFKA's, else our own."""
    elsewhere = os.environ.get("TESTS_KAFKA")
    if elsewhere:
        yield elsewhere
        return
    with start_kafka() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(scope="session")
def kinesis() -> Iterator[EmbeddedKinesis]:
    with start_kinesis() as emulator:
        yield emulator


@pytest.fixture
async def topic(kafka: str) -> str:
    """A fresh topic of three partitions."""
    name = f"events-{uuid.uuid4().hex[:8]}"
    await create_topic(kafka, name, partitions=3)
    return name


async def create_topic(servers: str, name: str, *, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=KEPT)])
    finally:
        await admin.close()


@pytest.fixture
def kinesis_client(kinesis: EmbeddedKinesis) -> Any:
    return boto3.client(
        "kinesis",
        region_name="eu-west-1",
        endpoint_url=kinesis.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def stream(kinesis_client: Any) -> str:
    """A fresh stream of two shards."""
    name = f"exports-{uuid.uuid4().hex[:8]}"
    kinesis_client.create_stream(StreamName=name, ShardCount=2)
    kinesis_client.get_waiter("stream_exists").wait(StreamName=name)
    return name


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """What the set-up of logs changes in the process is as it was afterwards, whichever test runs a command that does."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks


MAY_BLOCK = {
    # botocore reads its configuration while a client is made, before the group is joined.
    "processor/kinesis/connection.py": {"open_exchange", "_regions"},
    # As above; the demo has no other work then.
    "processor/demo/producer.py": {"_create_stream"},
    # botocore reads small files where it looks for credentials: at the start, and when they have run out.
    "processor/kinesis/credentials.py": {"_frozen"},
    # OpenTelemetry's resource detectors have threads of their own, before the group is joined.
    "processor/telemetry/traces.py": {"tracing"},
    # The thread ends as soon as it is told to; the worker has ended then.
    "processor/service/loop_guard.py": {"loop_guarded"},
    # Linux makes the text of this file as it is read; there is no disk to wait for.
    "processor/service/process_usage.py": {"resident_bytes"},
    # Lines of a log are short, and there are few a second.
    "logging/__init__.py": {"emit"},
    "processor/telemetry/logs.py": {"write_line"},
    # The service makes its state directory in a thread; tests make theirs before anything runs.
    "tests/support/stores.py": {"directory_at"},
    # Hypothesis looks at the lines that ran.
    "hypothesis/internal/scrutineer.py": {"should_trace_file"},
}
"""Functions, by file, within which a call may hold the loop up, each with its reason."""


@pytest.fixture(autouse=True)
def no_blocking() -> Iterator[None]:
    """A call of ours that would hold the loop up raises, and fails its test.

    Servers of tests are none of ours: they are started before the loop that matters.
    """
    with blockbuster_ctx("processor", excluded_modules=["processor.embedded"]) as calls:
        for call in calls.functions.values():
            for file, functions in MAY_BLOCK.items():
                call.can_block_in(file, functions)
        yield


@pytest.fixture(autouse=True)
def no_faults_of_the_compiled_core() -> Iterator[None]:
    """It leaves to the plain core what it fails on: a test that looks at what comes out alone would pass."""
    before = faults()
    yield
    assert faults() == before


@pytest.fixture(autouse=True)
async def no_task_leaks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    leaked = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    if leaked:
        # Those of aiokafka's closed connections end within some turns of the loop.
        _, leaked = await asyncio.wait(leaked, timeout=2)
    if leaked:
        told = sorted(f"{task.get_name()} ({task.get_coro()})" for task in leaked)
        pytest.fail("tasks outlived the test:\n" + "\n".join(told))
