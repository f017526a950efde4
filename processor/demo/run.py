"""One run of the demo: a real Kafka, a Kinesis emulator, and the very service that `run` runs, between them."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import uvloop
from aiobotocore.session import get_session
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from processor.configuration import load_configuration
from processor.demo.check import Ledger
from processor.demo.display import download_bars, export_line, summary
from processor.demo.workload import DESTINATION, GOVERNANCE, events
from processor.embedded import start_kafka, start_kinesis
from processor.embedded.kinesis import REGION
from processor.embedded.places import working_directory
from processor.errors import EmbeddedServerError
from processor.governance.plan import Plan, compile_plan
from processor.kafka.client import client_options
from processor.operations.text_table import show
from processor.profile.core import Core
from processor.service.run import run_service
from processor.settings import Settings, load_settings
from processor.telemetry.logs import configure_logs
from processor.telemetry.status import Status
from processor.web.server import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOPIC: Final = "profile-changes"
STREAM: Final = "profile-exports"
_PARTITIONS: Final = 4
_KEPT: Final = {"retention.ms": "-1"}
"""The demo's events bear the times of their profiles, which are years ago; Kafka's default would delete them."""
_SHARDS: Final = 2
_SEED: Final = 2020
_PROFILES: Final = 60
_READ_PAUSE_S: Final = 0.15
_ARRIVAL_TIMEOUT_S: Final = 60.0


def run_demo(*, events: int, rate: float, follow: bool) -> int:
    """Run the demo, and return the exit code: 0 where all that it promises was seen to hold.

    `events` are produced, at `rate` a second (0: as fast as it goes), or without end until Ctrl-C with `follow`.
    """
    console = Console(highlight=False)
    try:
        with ExitStack() as stack:
            kafka = stack.enter_context(start_kafka(on_download=download_bars(stack, console)))
            console.print(f"[green]✓[/] Apache Kafka at {kafka.bootstrap_servers}")
            kinesis = stack.enter_context(start_kinesis())
            console.print(f"[green]✓[/] Kinesis emulator at {kinesis.endpoint_url}")
            directory = stack.enter_context(working_directory("processor-demo-"))
            settings, plan = _configured(directory, kafka.bootstrap_servers, kinesis.endpoint_url)
            configure_logs(settings.service)
            demo = _Demo(settings, plan, console, None if follow else events, rate)
            return uvloop.run(demo.run())
    except EmbeddedServerError as error:
        Console(stderr=True).print(Text.assemble(("error ", "red"), str(error)))
        return 1
    except KeyboardInterrupt:
        return 130


class _Demo:
    """One run: a producer, the service, a reader of the stream, and the books on both sides."""

    def __init__(
        self, settings: Settings, plan: Plan, console: Console, count: int | None, rate: float
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._console = console
        self._count = count
        self._rate = rate
        self._ledger = Ledger(Core(plan))
        self._status = Status()
        self._enough = asyncio.Event()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=console,
            transient=True,
        )
        self._bar = self._progress.add_task("events", total=count)

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._enough.set)
        stop = asyncio.Event()
        async with _kinesis_client(self._plan) as client:
            await client.create_stream(StreamName=STREAM, ShardCount=_SHARDS)
            await (client.get_waiter("stream_exists")).wait(StreamName=STREAM, WaiterConfig={"Delay": 1})
            await _create_topic(self._settings)
            self._console.print(
                f"[green]✓[/] topic {TOPIC} ({_PARTITIONS} partitions), stream {STREAM} ({_SHARDS} shards)\n"
            )
            with self._progress:
                async with asyncio.TaskGroup() as tasks:
                    service = tasks.create_task(
                        run_service(self._settings, self._plan, stop, self._status, serve=serve),
                        name="service",
                    )
                    reading = tasks.create_task(self._read(client), name="reader")
                    await self._produce()
                    caught_up = await self._all_arrived()
                    stop.set()
                    await service
                    reading.cancel()
        return self._summed_up(caught_up=caught_up)

    async def _produce(self) -> None:
        producer = AIOKafkaProducer(
            **client_options(self._settings.kafka), enable_idempotence=True, linger_ms=5
        )
        await producer.start()
        try:
            for event in events(_SEED, _PROFILES):
                if self._enough.is_set() or self._ledger.events == self._count:
                    break
                await producer.send(TOPIC, key=event.key, value=event.value, timestamp_ms=event.timestamp_ms)
                self._ledger.produced(event)
                self._progress.update(self._bar, completed=self._ledger.events)
                if self._rate:
                    await self._pause(1 / self._rate)
        finally:
            await producer.stop()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._enough.wait()
        except TimeoutError:
            return

    async def _read(self, client: Any) -> None:  # noqa: ANN401  aiobotocore's clients have no type
        """Read the stream back, shard by shard, for as long as the demo runs."""
        shards = (await client.list_shards(StreamName=STREAM))["Shards"]
        iterators = {}
        for shard in shards:
            answer = await client.get_shard_iterator(
                StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )
            iterators[shard["ShardId"]] = answer["ShardIterator"]
        while True:
            for shard_id, iterator in iterators.items():
                answer = await client.get_records(ShardIterator=iterator)
                iterators[shard_id] = answer["NextShardIterator"]
                for record in answer["Records"]:
                    self._ledger.arrived(record["PartitionKey"], record["Data"])
                    self._print(export_line(record["PartitionKey"], record["Data"]))
            await asyncio.sleep(_READ_PAUSE_S)

    def _print(self, line: Text) -> None:
        console = self._progress.console
        if console.is_terminal:
            console.print(line, overflow="ellipsis", no_wrap=True)
        else:
            console.print(line, soft_wrap=True)

    async def _all_arrived(self) -> bool:
        """Wait until the service has done with every event and the reader has read every record."""
        figures, ledger = self._status.figures, self._ledger
        try:
            async with asyncio.timeout(_ARRIVAL_TIMEOUT_S):
                while (
                    figures.received < ledger.events
                    or figures.in_flight
                    or ledger.arrived_count < ledger.expected_count
                ):
                    await asyncio.sleep(_READ_PAUSE_S)
        except TimeoutError:
            return False
        # One more look at every shard: what should not be there would be seen, too.
        await asyncio.sleep(3 * _READ_PAUSE_S)
        return True

    def _summed_up(self, *, caught_up: bool) -> int:
        self._console.print()
        table = summary(self._ledger, self._status.figures)
        if self._console.is_terminal:
            self._console.print(table)  # whatever the width: sentences wrap between words
        else:
            show(table, self._console)
        good = caught_up and self._ledger.is_settled(self._status.figures.dead_lettered.total())
        self._console.print(
            "[green]✓ nothing lost, nothing invented, every profile in order[/]"
            if good
            else "[red]✗ the check failed[/]"
        )
        return 0 if good else 1


def _configured(directory: Path, servers: str, kinesis_url: str) -> tuple[Settings, Plan]:
    destination, governance = directory / "destination.yaml", directory / "governance.yaml"
    destination.write_text(
        DESTINATION.format(region=REGION, url=kinesis_url, stream=STREAM), encoding="utf-8"
    )
    governance.write_text(GOVERNANCE, encoding="utf-8")
    settings = load_settings(
        {
            "PROCESSOR_KAFKA_SERVERS": servers,
            "PROCESSOR_KAFKA_TOPIC": TOPIC,
            "PROCESSOR_KAFKA_GROUP": "demo",
            "PROCESSOR_STATE_DIRECTORY": str(directory / "state"),
            "PROCESSOR_HTTP_PORT": "0",
            "PROCESSOR_LOG_LEVEL": "warning",
        }
    )
    return settings, compile_plan(*load_configuration(destination, governance, {}))


@asynccontextmanager
async def _kinesis_client(plan: Plan) -> AsyncIterator[Any]:
    connection = plan.destination.connection
    async with get_session().create_client(
        "kinesis",
        region_name=connection.region,
        endpoint_url=connection.connection_url,
        aws_access_key_id="demo",
        aws_secret_access_key="demo",  # noqa: S106  the emulator takes any
    ) as client:
        yield client


async def _create_topic(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, _PARTITIONS, 1, topic_configs=_KEPT)])
    finally:
        await admin.close()
