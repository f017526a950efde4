"""What a night has: three brokers, a stream, two pods and a visitor, load, the account, and Prometheus."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from processor.configuration import parse_configuration
from processor.embedded import start_cluster
from processor.embedded.server import free_ports
from processor.settings.topic_names import dead_letter_topic_of
from tests.conftest import KEPT
from tests.night.alerts import Alerts, start_alerts
from tests.night.ledger import Ledger
from tests.night.pods import Pod
from tests.night.traffic import Auditor, Producer, letters
from tests.support.members import DESTINATION, member_environ
from tests.support.naive_model import NaiveModel
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.small_disk import small_disk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from processor.embedded import EmbeddedKafka
    from processor.kinesis.kinesis_json import Result
    from processor.profile.structs import Export
    from tests.night.ledger import Verdict

TOPIC: Final = "events"
PARTITIONS: Final = 8
EVENTS_PER_S: Final = 150.0
BEHIND_S: Final = 5.0
"""What is older than this and has not come makes the service behind."""
_WAIT_S: Final = 240.0
_LOOK_EVERY_S: Final = 0.25
_SMALL_DISK_BYTES: Final = 192 << 20


class NightError(AssertionError):
    """Something that must hold in a night did not."""


class _Stream(ScriptedKinesis):
    """Keeps nothing of what it takes, and tells it."""

    def __init__(self, rng: random.Random, heard: Callable[[str, bytes], None]) -> None:
        super().__init__(rng, shards=4)
        self.check_order = False
        self._heard = heard

    def _store(self, record: Export) -> Result:
        result = super()._store(record)
        if result.error_code is None:
            self.shard_of(record.partition_key).records.clear()
            self._heard(record.partition_key, record.data)
        return result


class Stage:
    """All of it, and what is asked of it."""

    def __init__(
        self,
        rng: random.Random,
        brokers: list[EmbeddedKafka],
        kinesis: ScriptedKinesis,
        ledger: Ledger,
        producer: Producer,
        auditor: Auditor,
        pods: list[Pod],
        visitor: Pod,
        alerts: Alerts,
        *,
        has_small_disk: bool,
    ) -> None:
        self.rng = rng
        self.brokers = brokers
        self.kinesis = kinesis
        self.ledger = ledger
        self.producer = producer
        self._auditor = auditor
        self.pods = pods
        self.visitor = visitor
        self.alerts = alerts
        self.has_small_disk = has_small_disk
        self.troubles: list[str] = []

    @property
    def servers(self) -> str:
        """Where Kafka is."""
        return ",".join(broker.bootstrap_servers for broker in self.brokers)

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note what does not hold; the night goes on."""
        if not holds:
            self.troubles.append(otherwise)

    async def launch_brokers(self) -> None:
        """All at once: none takes clients before most of them are there."""
        for broker in self.brokers:
            await asyncio.to_thread(broker.launch)
        for broker in self.brokers:
            await asyncio.to_thread(broker.wait_until_it_answers)

    async def end(self) -> Verdict:
        """Produce no more, wait until all has come out, end the pods, and close the account.

        Raises:
            NightError: it does not come out.

        """
        await self.producer.end()
        await _until(self._auditor.has_read_all, "at the end of the topic")
        await _until(self.is_complete, "given all that must come")
        await self.until_healthy()
        for pod in self.pods:
            code = await pod.leave()
            self.expect(code == 0, f"{pod.name} ended with {code} in the end")
        return self.ledger.verdict(await letters(self.servers, dead_letter_topic_of(TOPIC)))

    async def is_healthy(self) -> bool:
        """Whether all pods are ready, and what has happened has come out."""
        now_s = asyncio.get_running_loop().time()
        if self.ledger.oldest_awaited_s(now_s) > BEHIND_S:
            return False
        return all([await pod.is_ready() for pod in self.pods])

    async def is_complete(self) -> bool:
        """Whether everything has come that must."""
        return not self.ledger.awaited

    async def until_healthy(self) -> None:
        """Wait for that.

        Raises:
            NightError: it is not within four minutes.

        """
        await _until(self.is_healthy, "healthy")

    async def until_ready(self, pod: Pod) -> None:
        """Wait until one pod says that it is.

        Raises:
            NightError: it does not within four minutes.

        """
        await _until(pod.is_ready, f"ready: {pod.name}")

    async def until_firing(self, alert: str) -> None:
        """Wait until an alert fires.

        Raises:
            NightError: it does not within four minutes.

        """

        async def fires() -> bool:
            return alert in self.alerts.firing

        await _until(fires, f"firing: {alert}")


@asynccontextmanager
async def set_up(seed: int, prometheus: str, home: Path) -> AsyncIterator[Stage]:
    """Everything, running; ended with the context."""
    rng = random.Random(seed)
    ledger = Ledger(_model())
    loop = asyncio.get_running_loop()
    kinesis = _Stream(random.Random(seed + 1), lambda key, data: ledger.arrived(key, data, loop.time()))
    async with AsyncExitStack() as stack:
        brokers = stack.enter_context(start_cluster(3, {"min.insync.replicas": "2"}))
        servers = ",".join(broker.bootstrap_servers for broker in brokers)
        await _make_topic(servers)
        url = await stack.enter_async_context(served(kinesis))
        ports = free_ports(3)
        pods = [
            _pod(home, name, servers, url, workers, port)
            for name, workers, port in zip(("a", "b", "visitor"), (2, 1, 1), ports, strict=True)
        ]
        has_small_disk = stack.enter_context(small_disk(pods[1].state_directory, _SMALL_DISK_BYTES))
        alerts = stack.enter_context(start_alerts(prometheus, home, ports[:2]))
        producer = Producer(servers, TOPIC, random.Random(seed + 2), EVENTS_PER_S)
        auditor = Auditor(servers, TOPIC, PARTITIONS, ledger)
        stage = Stage(
            rng,
            brokers,
            kinesis,
            ledger,
            producer,
            auditor,
            pods[:2],
            pods[2],
            alerts,
            has_small_disk=has_small_disk,
        )
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(work)
                for work in (producer.run(), auditor.run(), alerts.watch(), *(pod.run() for pod in pods))
            ]
            try:
                for pod in stage.pods:
                    pod.want()
                yield stage
            finally:
                for task in running:
                    task.cancel()


async def _until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline_s = asyncio.get_running_loop().time() + _WAIT_S
    while not await holds():
        if asyncio.get_running_loop().time() > deadline_s:
            raise NightError(f"not {what} within {_WAIT_S:g} s")
        await asyncio.sleep(_LOOK_EVERY_S)


def _model() -> NaiveModel:
    text = json.dumps({**DESTINATION, "connection": {"region": "eu-west-1"}})
    return NaiveModel(*parse_configuration((text, "destination.yaml"), None, {}))


async def _make_topic(servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 3, topic_configs=KEPT)])
    finally:
        await admin.close()


_TUNED: Final = ("PROCESSOR_KAFKA_SERVERS", "PROCESSOR_KAFKA_TOPIC", "PROCESSOR_KAFKA_GROUP")


def _pod(home: Path, name: str, servers: str, url: str, workers: int, port: int) -> Pod:
    directory = home / name
    (directory / "state").mkdir(parents=True)
    environ = member_environ(servers, TOPIC, directory, url)
    # All else has its default: this is how it runs at night.
    ours = {key: value for key, value in environ.items() if not key.startswith("PROCESSOR_") or key in _TUNED}
    ours["PROCESSOR_DESTINATION_FILE"] = str(directory / "destination.yaml")
    return Pod(name, directory, ours, workers, port)
