"""Benchmarks of the state: restore from the changelog, look-ups among few and many profiles, hand-over.

python -m benchmarks.state [--profiles 10000000] [--records 1000000]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, cast

import uvloop
from aiobotocore.session import get_session
from aiokafka import ConsumerRecord
from rich.console import Console
from rich.progress import track

from benchmarks import report
from benchmarks.options import add_keep, count
from processor.configuration import parse_configuration
from processor.embedded import start_kafka, start_kinesis
from processor.governance.plan import compile_plan
from processor.kafka.changelog import Changelog, Span
from processor.kafka.topics import TopicShape, open_topics
from processor.kinesis.connection import StreamFacts
from processor.kinesis.kinesis_json import Answer, Result
from processor.kinesis.writer import Writer
from processor.profile.core import Core
from processor.profile.state_record import encode_record
from processor.profile.structs import StateRecord
from processor.service.run import run_service
from processor.settings import Settings, load_settings
from processor.state.directory import StateDirectory
from processor.state.overlay import Overlay
from processor.telemetry.status import Status
from processor.waiting.fence import Fence
from processor.worker.checkpoint import Checkpoint
from processor.worker.dead_letter_limit import DeadLetterLimit
from processor.worker.partition import Partition, Stages
from processor.worker.restore import restore

if TYPE_CHECKING:
    from collections.abc import Sequence, Sized

    from processor.governance.plan import Plan
    from processor.kinesis.shards import Shard
    from processor.profile.structs import Export
    from processor.state.store import Store

_DESTINATION = """
name: benchmark
connection: {region: eu-west-1}
stream: exports
marketingActions: []
segments: [{id: one}, {id: two}, {id: three}, {id: four}, {id: five}]
attributes: [person.name, loyalty.points, homeAddress]
"""
_KEPT_MS = 86_400_000
_BATCH = 500
_console = Console()


def main() -> None:
    """Run all, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=count, default=10_000_000)
    parser.add_argument("--records", type=count, default=1_000_000)
    add_keep(parser)
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-state-") as home:
        figures |= _throughputs(Path(home), options.profiles)
        with start_kafka() as kafka:
            settings = _settings(kafka.bootstrap_servers, Path(home) / "restored")
            figures["restore"] = uvloop.run(_restore(settings, options.records))
        with start_kafka() as kafka, start_kinesis() as kinesis:
            settings = _settings(kafka.bootstrap_servers, Path(home) / "handed-over")
            figures["hand-over"] = uvloop.run(_hand_over(settings, kinesis.endpoint_url, options.records))
    _console.print(figures)
    if options.keep:
        _console.print(f"kept in {report.write('state', figures)}")


def _throughputs(home: Path, many: int, few: int = 100_000, rounds: int = 5) -> dict[str, Any]:
    """Medians of rounds that alternate between few and many profiles, for a machine's speed drifts."""
    sys.setswitchinterval(0.0005)  # as the service does
    measured: dict[int, list[dict[str, float]]] = {few: [], many: []}
    for profiles in measured:
        uvloop.run(_fill(home, profiles))
    for _ in track(range(rounds), description="throughput", console=_console):
        for profiles, rows in measured.items():
            rows.append(uvloop.run(_throughput(home, profiles)))
    figures: dict[str, Any] = {
        f"throughput with {profiles} profiles": {name: median(row[name] for row in rows) for name in rows[0]}
        for profiles, rows in measured.items()
    }
    ratios = [
        of_many["events_per_s"] / of_few["events_per_s"]
        for of_few, of_many in zip(measured[few], measured[many], strict=True)
    ]
    figures["many / few"] = round(median(ratios), 3)
    figures["many / few, every round"] = [round(ratio, 3) for ratio in ratios]
    return figures


def _settings(servers: str, directory: Path) -> Settings:
    return load_settings(
        {
            "PROCESSOR_KAFKA_SERVERS": servers,
            "PROCESSOR_KAFKA_TOPIC": "events",
            "PROCESSOR_KAFKA_GROUP": "benchmark",
            "PROCESSOR_STATE_DIRECTORY": str(directory),
            "PROCESSOR_HTTP_PORT": "0",
            "PROCESSOR_LOG_LEVEL": "error",
        }
    )


def _state_record(rng: random.Random, offset: int) -> bytes:
    memberships = {name: "2020-05-25T21:24:39Z" for name in ("one", "two", "three") if rng.random() < 0.5}
    identities = b'{"ecid":[{"id":"%038d"}]}' % rng.randrange(10**30)
    return encode_record(StateRecord(offset, rng.randbytes(36), identities, memberships or {"one": "t"}))


def _event(rng: random.Random, profile: int, offset: int) -> ConsumerRecord:
    key = b"profile-%010d" % profile
    entries = ",".join(
        f'"{name}":{{"status":"realized","lastQualificationTime":"2020-05-25T21:24:39Z"}}'
        for name in ("one", "two", "four", "other", "another")
        if rng.random() < 0.6
    )
    padding = "x" * 600
    value = (
        f'{{"person":{{"name":"{rng.random()}"}},"loyalty":{{"points":{rng.randrange(10**6)}}},'
        f'"unmapped":"{padding}","segmentMembership":{{"ups":{{{entries}}}}},'
        f'"identityMap":{{"ecid":[{{"id":"{profile:038d}"}}]}}}}'
    ).encode()
    return ConsumerRecord(
        "events", 0, offset, 1_600_000_000_000, 0, key, value, None, len(key), len(value), ()
    )


async def _fill(home: Path, profiles: int) -> None:
    directory = _directory(home, profiles)
    store = await directory.open(0, deletions_kept_ms=_KEPT_MS, purged_kept_ms=_KEPT_MS)
    await _filled(store, profiles)
    await store.close()
    directory.close()


def _directory(home: Path, profiles: int) -> StateDirectory:
    settings = _settings("unused:1", home / str(profiles))
    return StateDirectory(settings.state, "benchmark", "events", "none", partitions=1)


async def _filled(store: Store, profiles: int) -> None:
    rng = random.Random(1)
    for start in track(range(0, profiles, 5000), description=f"{profiles} profiles", console=_console):
        changes = {b"profile-%010d" % number: _state_record(rng, 0) for number in range(start, start + 5000)}
        await store.apply(changes, start + 5000)


async def _throughput(home: Path, profiles: int, seconds: float = 10) -> dict[str, float]:
    """Events a second through a partition's stages, with a changelog and a stream that answer at once."""
    settings, directory = _settings("unused:1", home), _directory(home, profiles)
    store = await directory.open(0, deletions_kept_ms=_KEPT_MS, purged_kept_ms=_KEPT_MS)
    core = Core(compile_plan(*parse_configuration((_DESTINATION, "destination.yaml"), None, {})))
    overlay, status = Overlay(store), Status()
    writer = Writer(_Endpoint(), settings.kinesis, random.Random(3), Fence(lambda: 0.0, 1.0))
    checkpoint = Checkpoint(0, cast("Any", _Changelog(store.position)), overlay, status)
    stages = Stages(
        core,
        overlay,
        writer,
        cast("Any", None),
        checkpoint,
        DeadLetterLimit(settings.service, status),
    )
    partition = Partition(0, stages, status, state_bytes_max=1 << 20, on_room=lambda: None)
    busy_s = cpu_s = 0.0
    first = offset = store.highest_offset + 1
    rng = random.Random(first)  # else a later round would repeat what an earlier one stored
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(writer.run()), tasks.create_task(partition.run())]
        while busy_s < seconds or status.figures.in_flight:
            batches = [
                [_event(rng, rng.randrange(profiles), offset + n) for n in range(at, at + _BATCH)]
                for at in range(0, 20 * _BATCH if busy_s < seconds else 0, _BATCH)
            ]
            offset += len(batches) * _BATCH
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            for batch in batches:
                partition.offer(batch, offset)
            # More than the partition works on while state changes are gathered: else the figure would be that of waiting.
            most = 40 * _BATCH if batches else 0
            while status.figures.in_flight > most:  # noqa: ASYNC110  nothing in the stages waits for a benchmark
                await asyncio.sleep(0.001)
            busy_s += time.perf_counter() - began_s
            cpu_s += time.process_time() - began_cpu_s
        for task in running:
            task.cancel()
    await store.close()
    memory = directory.memory_used_bytes
    directory.close()
    return {
        "events_per_s": round((offset - first) / busy_s),
        "events_per_cpu_s": round((offset - first) / cpu_s),
        "exported_share": round(status.figures.exported / (offset - first), 3),
        "rocksdb_memory_mib": round(memory / 2**20, 1),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


class _Endpoint:
    """A stream that takes everything at once."""

    async def put(self, records: Sequence[Export]) -> Answer:
        return Answer([Result()] * len(records))

    async def facts(self) -> StreamFacts:
        return StreamFacts(1 << 20, ignores_keys=False)

    async def shards(self) -> list[Shard]:
        return []


class _Changelog:
    """A changelog that keeps everything at once."""

    def __init__(self, end: int) -> None:
        self._end = end

    async def append(self, _: int, entries: Sized) -> list[Span]:
        first, self._end = self._end, self._end + len(entries)
        return [Span(first, self._end)]


async def _restore(settings: Settings, records: int) -> dict[str, float]:
    """Records a second from a changelog on a real broker into an empty store."""
    async with open_topics(settings.kafka) as topics:
        await topics.create_if_absent(settings.changelog_topic, TopicShape(1, 1))
    changelog = Changelog(settings.kafka, settings.changelog_topic, Fence(lambda: 0.0, 1.0))
    await changelog.start()
    rng = random.Random(3)
    for start in track(range(0, records, 5000), description=f"{records} changelog records", console=_console):
        changes: dict[bytes, Any] = {}
        for offset in range(start, start + 5000):
            profile = b"profile-%010d" % rng.randrange(records)
            changes.pop(profile, None)  # in the order of offsets, as a partition's changes are
            changes[profile] = _state_record(rng, offset)
        await changelog.append(0, changes)
    end = (await changelog.bounds(0)).end
    directory = StateDirectory(settings.state, "benchmark", "events", "none", partitions=1)
    store = await directory.open(0, deletions_kept_ms=_KEPT_MS, purged_kept_ms=_KEPT_MS)
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    await restore(changelog, 0, store, end, lambda _: None)
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    await store.close()
    directory.close()
    await changelog.stop()
    return {
        "records": end,
        "records_per_s": round(end / took_s),
        "records_per_cpu_s": round(end / cpu_s),
    }


async def _hand_over(settings: Settings, kinesis_url: str, records: int) -> dict[str, float]:
    """Seconds from the assignment of a partition until it is processed: its store absent, and warm."""
    await _create_stream(kinesis_url)
    async with open_topics(settings.kafka) as topics:
        await topics.create_if_absent(settings.kafka.topic, TopicShape(1, 1))
    text = _DESTINATION.replace(
        "{region: eu-west-1}",
        f"{{region: eu-west-1, accessKeyId: x, secretKey: y, connectionUrl: {kinesis_url!r}}}",
    )
    plan = compile_plan(*parse_configuration((text, "destination.yaml"), None, {}))
    await _seconds_to_restore(settings, plan)
    changelog = Changelog(settings.kafka, settings.changelog_topic, Fence(lambda: 0.0, 1.0))
    await changelog.start()
    rng = random.Random(4)
    for start in range(0, records, 5000):
        # Their events' offsets must not be beyond the source's end.
        changes: dict[bytes, Any] = {
            b"profile-%010d" % n: _state_record(rng, -1) for n in range(start, start + 5000)
        }
        await changelog.append(0, changes)
    await changelog.stop()
    absent_s = await _seconds_to_restore(settings, plan)
    warm_s = await _seconds_to_restore(settings, plan)
    return {"profiles": records, "store_absent_s": round(absent_s, 2), "store_warm_s": round(warm_s, 2)}


async def _seconds_to_restore(settings: Settings, plan: Plan) -> float:
    status, stop = Status(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_service(settings, plan, stop, status))
        while not status.partitions:  # noqa: ASYNC110  nothing in the service waits for a benchmark
            await asyncio.sleep(0.001)
        began_s = time.perf_counter()
        while status.restoration:  # noqa: ASYNC110  as above
            await asyncio.sleep(0.001)
        took_s = time.perf_counter() - began_s
        stop.set()
    return took_s


async def _create_stream(url: str) -> None:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    creating = get_session().create_client("kinesis", region_name="eu-west-1", endpoint_url=url, **keys)
    async with creating as client:
        await client.create_stream(StreamName="exports", ShardCount=1)
        await client.get_waiter("stream_exists").wait(StreamName="exports", WaiterConfig={"Delay": 1})


if __name__ == "__main__":
    main()
