"""Signals under load, a slow disk and a clock that jumps: what was acknowledged stays, and nothing is lost."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from processor.embedded import start_kafka
from processor.state.rocksdb_store import RocksStore
from tests.conftest import create_topic
from tests.support.group import caught_up
from tests.support.members import (
    Member,
    Producer,
    expected,
    first_occurrences,
    member_environ,
    repeats,
)
from tests.support.members import changes as random_changes
from tests.support.numbered_changes import case, changes, numbers
from tests.support.numbered_changes import expected as expected_numbers
from tests.support.observation import in_flight, ready, url_of
from tests.support.scripted_kinesis import Faults, ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.world import plan_for, produce, running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


pytestmark = [pytest.mark.integration]


@pytest.fixture
async def kinesis() -> AsyncIterator[tuple[ScriptedKinesis, str]]:
    scripted = ScriptedKinesis(random.Random(5))
    scripted.check_order = False  # a call of a member that was killed may arrive beside its successor's
    async with served(scripted) as url:
        yield scripted, url


async def partitions(http: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    async with http.get(f"{url}/api/status") as answer:
        told = await answer.json()
    return [each for worker in told["workers"] for each in worker["partitions"]]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(("signals", "workers"), [(1, 1), (2, 1), (2, 2)])
async def test_a_signal_under_load_with_a_black_hole_ends_the_process_and_loses_nothing(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], tmp_path: Path, signals: int, workers: int
) -> None:
    scripted, kinesis_url = kinesis
    # With two signals the deadline of the drain is beyond the test's own: only the second one can end it.
    drain_ms = "1000" if signals == 1 else "600000"
    environ = member_environ(kafka, topic, tmp_path, kinesis_url, shutdown_timeout_ms=drain_ms)
    rng = random.Random(1)
    member = await Member(tmp_path, environ, workers).start()
    try:
        async with Producer(kafka, topic) as producer, aiohttp.ClientSession() as http:
            url = await url_of(member)
            await ready(http, url)
            pids = member.worker_pids()
            await producer.produce(random_changes(rng, 100, 40))
            await caught_up(scripted, expected(producer.events))
            scripted.faults = Faults(black_hole=True)
            await producer.produce(random_changes(rng, 200, 40, 100))
            while await in_flight(http, url) < 200:
                await asyncio.sleep(0.02)
            member.process.send_signal(signal.SIGTERM)
            if signals == 2:
                # The parent's own line and each of its workers', where there are several.
                while member.log.read_text().count("signal received, draining") < (workers > 1) + workers:
                    await asyncio.sleep(0.02)
                while any(each["nextOffset"] is not None for each in await partitions(http, url)):
                    await asyncio.sleep(0.02)
                assert [each["isRestored"] for each in await partitions(http, url)] == [True] * 3
                member.process.send_signal(signal.SIGTERM)
            assert await member.process.wait() == (0 if signals == 1 else -signal.SIGTERM)
            while any(map(lives, pids)):
                await asyncio.sleep(0.02)
            scripted.faults = Faults()
            member = await Member(tmp_path, environ).start()
            wanted = expected(producer.events)
            await caught_up(scripted, wanted)
            await member.kill()
    finally:
        await member.kill()
    assert first_occurrences(scripted) == wanted
    assert repeats(scripted) <= 200


async def test_a_signal_while_kafka_is_away_ends_with_0_and_each_line_of_the_log_is_one_object(
    kinesis: tuple[ScriptedKinesis, str], tmp_path: Path
) -> None:
    scripted, kinesis_url = kinesis
    with start_kafka() as broker:
        servers = broker.bootstrap_servers
        await create_topic(servers, "events", partitions=4)
        environ = member_environ(servers, "events", tmp_path, kinesis_url, log_format="json")
        member = await Member(tmp_path, {**environ, "PYTHONUNBUFFERED": "1"}, workers=2).start()
        try:
            # One that still joins misses no heartbeat.
            while sorted(map(len, assigned(member))) != [2, 2]:
                await asyncio.sleep(0.05)
            async with Producer(servers, "events") as producer:
                await producer.produce(random_changes(random.Random(1), 100, 40))
                await caught_up(scripted, expected(producer.events))
                scripted.faults = Faults(unavailable=1.0)
                await producer.produce(random_changes(random.Random(2), 100, 40, 100))
            await asyncio.to_thread(broker.stop)
            while member.log.read_text().count("no heartbeat was answered") < 2:
                await asyncio.sleep(0.05)
            member.process.send_signal(signal.SIGTERM)
            assert await member.process.wait() == 0
        finally:
            await member.kill()
    assert member.log.read_text().endswith("\n")
    lines = member.lines()
    assert not [line for line in lines if "exception" in line or "exc_info" in line]
    assert not [line for line in lines if line.get("reason") == "" or line.get("error") == ""]
    for worker in (0, 1):
        of_worker = [line for line in lines if line.get("worker") == worker]
        draining = next(at for at, line in enumerate(of_worker) if line.get("condition") == "draining")
        told = {line["event"] for line in of_worker[draining:]}
        assert "stopped" in told
        assert not told & {"recovered", "ready"}


def assigned(member: Member) -> list[list[int]]:
    """The partitions that each worker was given last, by its log."""
    told = [line for line in member.lines() if line["event"] == "partitions assigned"]
    return list({line["worker"]: line["partitions"] for line in told}.values())


async def test_a_slow_disk_slows_all_down_and_loses_and_reorders_nothing(
    kafka: str, topic: str, kinesis: tuple[ScriptedKinesis, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted, url = kinesis
    in_thread = RocksStore._in_thread
    calls: list[str] = []

    async def slowly(self: RocksStore, call: Callable[..., Any], *arguments: Any) -> Any:
        def slow(*passed_on: Any) -> Any:
            calls.append(call.__name__)
            time.sleep(0.15)  # in the store's thread, where a disk would make it wait
            return call(*passed_on)

        return await in_thread(self, slow, *arguments)

    monkeypatch.setattr(RocksStore, "_in_thread", slowly)
    settings = settings_for(kafka, topic)
    await produce(kafka, topic, changes(200))
    with capture_logs() as lines:
        async with running(settings, plan_for(case(), "s", url)) as status:
            await until(lambda: status.figures.exported == 200 and status.figures.in_flight == 0)
            # Heartbeats do not wait for the disk.
            await until(lambda: "kafka" not in status.conditions)
            moves = [
                line["event"]
                for line in lines
                if line["event"] in {"partitions assigned", "partitions revoked"}
            ]
            assert moves == ["partitions assigned"]
    assert {"_read", "_written"} <= set(calls)
    assert numbers(scripted) == expected_numbers(200)


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
async def test_a_clock_that_jumps_changes_nothing_but_ages(
    kafka: str,
    topic: str,
    kinesis: tuple[ScriptedKinesis, str],
    monkeypatch: pytest.MonkeyPatch,
    jump_s: float,
) -> None:
    scripted, url = kinesis
    settings = settings_for(kafka, topic)
    true_time = time.time
    async with running(settings, plan_for(case(), "s", url)) as status:
        await produce(kafka, topic, changes(40))
        await until(lambda: status.figures.exported == 40)
        monkeypatch.setattr(time, "time", lambda: true_time() + jump_s)
        await produce(kafka, topic, changes(40, start=40))
        await until(lambda: status.figures.exported == 80 and status.figures.in_flight == 0)
        await until(lambda: status.is_ready)  # a busy machine answers a heartbeat late now and then
        assert status.durations.age.total >= 0
    monkeypatch.undo()
    assert numbers(scripted) == expected_numbers(80)
