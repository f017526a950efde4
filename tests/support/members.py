"""Members of a group as processes, an endpoint that outlives them, and random changes with what they must export."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaProducer

from processor.configuration import parse_configuration
from tests.support.naive_model import NaiveModel, Number

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping, Sequence

    from tests.support.scripted_kinesis import ScriptedKinesis

DESTINATION: dict[str, Any] = {
    "name": "chaos",
    "stream": "exports",
    "marketingActions": [],
    "segments": [{"id": "one"}, {"id": "two"}],
    "attributes": ["number"],
}


def changes(
    rng: random.Random, count: int, profiles: int, start: int = 0
) -> list[tuple[bytes, bytes | None]]:
    """Events, as key and value; no two of their exports are alike."""
    found: list[tuple[bytes, bytes | None]] = []
    for number in range(start, start + count):
        key = b"profile-%03d" % rng.randrange(profiles)
        if rng.random() < 0.05:
            found.append((key, None))
            continue
        time = f"2020-01-01T00:00:00.{number:09d}Z"
        entries = {
            segment: {"status": "realized", "lastQualificationTime": time}
            for segment in ("one", "two")
            if rng.random() < 0.6
        }
        found.append((key, json.dumps({"number": number, "segmentMembership": {"ups": entries}}).encode()))
    return found


def expected(events: Iterable[tuple[bytes, bytes | None]]) -> dict[str, list[str]]:
    """The exports of each profile, as the naive model tells them."""
    destination, governance = parse_configuration(
        (json.dumps({**DESTINATION, "connection": {"region": "eu-west-1"}}), "destination.yaml"), None, {}
    )
    model = NaiveModel(destination, governance)
    found: dict[str, list[str]] = defaultdict(list)
    for key, value in events:
        told = model.apply(key, value, (), 0)
        assert told.reason is None
        if told.data is not None:
            assert told.partition_key is not None
            found[told.partition_key].append(json.dumps(plain(told.data)))
    return found


def plain(tree: Any) -> Any:
    """The naive model's tree, for json."""
    if isinstance(tree, Number):
        return json.loads(tree.text)
    if isinstance(tree, dict):
        return {name: plain(member) for name, member in tree.items()}
    if isinstance(tree, list):
        return [plain(item) for item in tree]
    return tree


def first_occurrences(kinesis: ScriptedKinesis) -> dict[str, list[str]]:
    """What each profile's consumer sees, repeats left out."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for partition_key, data in kinesis.stored:
        found[partition_key][json.dumps(json.loads(data))] = None
    return {profile: list(exports) for profile, exports in found.items()}


def repeats(kinesis: ScriptedKinesis) -> int:
    return len(kinesis.stored) - sum(map(len, first_occurrences(kinesis).values()))


class Producer:
    """Produces events, and remembers them; `with_times` where they bear the time of now."""

    def __init__(self, servers: str, topic: str, *, with_times: bool = False) -> None:
        self._timestamp_ms = None if with_times else 0
        self.events: list[tuple[bytes, bytes | None]] = []
        self._topic = topic
        self._producer = AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def produce(self, events: Sequence[tuple[bytes, bytes | None]]) -> None:
        kept = [
            await self._producer.send(self._topic, key=key, value=value, timestamp_ms=self._timestamp_ms)
            for key, value in events
        ]
        await asyncio.gather(*kept)
        self.events += events


class Member:
    """`processor run`, as a process; its output goes to a file."""

    def __init__(self, directory: Path, environ: Mapping[str, str], workers: int = 1) -> None:
        self.log = directory / f"member-{len(list(directory.glob('member-*')))}.log"
        self._arguments = [
            "run",
            "--workers",
            str(workers),
            "--destination",
            str(directory / "destination.yaml"),
        ]
        self._environ = environ
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> Member:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "processor", *self._arguments, env=self._environ, stdout=log, stderr=log
            )
        return self

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    def lines(self, text: str = "") -> list[dict[str, Any]]:
        """What its log says so far, in lines that have `text` in them; one that is being written is none yet."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if text in line]

    def worker_pids(self) -> list[int]:
        """The processes that are members of the group."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children] or [pid]

    def signal_worker(self, rng: random.Random, number: signal.Signals) -> int:
        """Send a signal to one of its workers."""
        pid = rng.choice(self.worker_pids())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    async def stop(self) -> int:
        """End it as an operator would; where it does not end well, the test's report has the end of its log."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        code = await self.process.wait()
        if code != 0:
            sys.stderr.write(f"{self.log.name}, ended with {code}:\n{self.log.read_text()[-8000:]}\n")
        return code

    async def kill(self) -> None:
        """End it, and all of its workers, at once."""
        if self.process.returncode is None:
            for pid in {*self.worker_pids(), self.process.pid}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        await self.process.wait()


def member_environ(
    servers: str, topic: str, directory: Path, kinesis_url: str, **changes: str
) -> dict[str, str]:
    """The environment of a member, whose destination file is written to `directory`."""
    connection = {
        "region": "eu-west-1",
        "accessKeyId": "test",
        "secretKey": "test",
        "connectionUrl": kinesis_url,
    }
    (directory / "destination.yaml").write_text(json.dumps({**DESTINATION, "connection": connection}))
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PROCESSOR_")}
    return {
        **ours,
        "PROCESSOR_KAFKA_SERVERS": servers,
        "PROCESSOR_KAFKA_TOPIC": topic,
        "PROCESSOR_KAFKA_GROUP": f"group-{topic}",
        "PROCESSOR_KAFKA_COMMIT_INTERVAL_MS": "100",
        "PROCESSOR_KAFKA_SESSION_TIMEOUT_MS": "3000",
        "PROCESSOR_KAFKA_HEARTBEAT_INTERVAL_MS": "300",
        "PROCESSOR_KAFKA_REQUEST_TIMEOUT_MS": "2000",
        "PROCESSOR_KAFKA_REBALANCE_TIMEOUT_MS": "6000",
        "PROCESSOR_KAFKA_DRAIN_TIMEOUT_MS": "2000",
        "PROCESSOR_KINESIS_RETRY_BASE_MS": "5",
        "PROCESSOR_SHUTDOWN_TIMEOUT_MS": "3000",
        "PROCESSOR_STATE_DIRECTORY": str(directory / "state"),
        "PROCESSOR_STATE_MEMORY_BYTES": str(32 * 1024 * 1024),
        "PROCESSOR_STATE_LOCK_WAIT_MS": "500",
        "PROCESSOR_HTTP_PORT": "0",
        **{f"PROCESSOR_{name.upper()}": value for name, value in changes.items()},
    }
