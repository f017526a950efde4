"""A member whose coordinator is silent for too long begins nothing that another member could overtake."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import pytest
from aiokafka.protocol.group import SyncGroupRequest

from processor.errors import KafkaUnavailable
from processor.kafka.changelog import Changelog, Span
from processor.kafka.heartbeats import Heartbeats
from processor.kafka.idempotent_producer import IdempotentProducer
from processor.kinesis.ticket import Ticket
from processor.kinesis.writer import Writer
from processor.settings import KafkaSettings, KinesisSettings
from processor.waiting.fence import Fence
from tests.support.kinesis_writer import export
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.kafka.changelog_batches import WholeBatch

LIMIT_S = 4.0
LONG_S = 3600.0


class Coordinator:
    """Answers, or is silent from a moment on."""

    def __init__(self) -> None:
        self.silence_s: Callable[[], float] = lambda: 0.0

    def fall_silent(self) -> None:
        loop, since = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        self.silence_s = lambda: loop.time() - since

    def _silent_for_s(self) -> float:
        return self.silence_s()

    def fence(self) -> Fence:
        return Fence(self._silent_for_s, LIMIT_S)


def test_the_fence_shuts_at_its_limit_and_opens_with_the_next_answer() -> None:
    async def live() -> None:
        coordinator = Coordinator()
        fence = coordinator.fence()
        coordinator.fall_silent()
        await asyncio.sleep(LIMIT_S - 0.01)
        states = [fence.is_open]
        await asyncio.sleep(0.01)
        states.append(fence.is_open)
        assert states == [True, False]
        passing = asyncio.create_task(fence.passed())
        await asyncio.sleep(LONG_S)
        assert not passing.done()
        coordinator.silence_s = lambda: 0.0
        await passing

    run_in_virtual_time(live())


def test_the_writer_begins_no_request_while_the_fence_is_shut() -> None:
    async def live() -> None:
        coordinator, kinesis = Coordinator(), ScriptedKinesis(random.Random(1))
        kinesis.faults.failed = 0.3
        writer = Writer(kinesis, KinesisSettings.model_validate({}), random.Random(1), coordinator.fence())
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(writer.run())
            coordinator.fall_silent()
            while coordinator.fence().is_open:
                ticket = Ticket([export(profile, 1) for profile in range(50)])
                await writer.submit(ticket)
                await asyncio.sleep(0.5)
            begun = len(kinesis.requests)
            assert begun > 1
            last = Ticket([export(profile, 2) for profile in range(100)])
            await writer.submit(last)
            await asyncio.sleep(LONG_S)
            assert len(kinesis.requests) == begun
            coordinator.silence_s = lambda: 0.0
            await last.wait()
            assert len(kinesis.requests) > begun
            running.cancel()

    run_in_virtual_time(live())


def test_the_changelog_begins_no_append_while_the_fence_is_shut() -> None:
    async def live() -> None:
        coordinator, producer = Coordinator(), _Producer()
        changelog = _changelog(coordinator, producer)
        assert await changelog.append(3, {b"p": b"first"}) == [Span(0, 1)]
        coordinator.fall_silent()
        await asyncio.sleep(LIMIT_S)
        appending = asyncio.create_task(changelog.append(3, {b"p": b"second"}))
        await asyncio.sleep(LONG_S)
        assert len(producer.sent) == 1
        coordinator.silence_s = lambda: 0.0
        assert await appending == [Span(1, 2)]
        assert producer.sent == [("g-t-state", 3, 1), ("g-t-state", 3, 1)]

    run_in_virtual_time(live())


def test_an_append_that_is_answered_behind_a_shut_fence_is_no_position_to_go_on_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A member that was frozen between its look at the fence and the send appends behind the new owner's records."""
    looks: list[str] = []

    async def look() -> None:
        looks.append("at the topic's id")

    async def live() -> None:
        coordinator, producer = Coordinator(), _Producer()
        changelog = _changelog(coordinator, producer)
        monkeypatch.setattr(changelog, "check_identity", look)
        coordinator.fall_silent()
        producer.takes_s = LIMIT_S / 2
        assert await changelog.append(3, {b"p": b"first"}) == [Span(0, 1)]
        with pytest.raises(KafkaUnavailable, match=r"appending to changelog g-t-state: .* silent"):
            await changelog.append(3, {b"p": b"second"})
        assert not looks
        coordinator.silence_s = lambda: 0.0
        assert await changelog.append(3, {b"p": b"second"}) == [Span(2, 3)]
        assert looks == ["at the topic's id"], "an append that failed leaves it in doubt"

    run_in_virtual_time(live())


def test_an_assignment_is_a_sign_of_life_as_of_when_it_was_asked_for() -> None:
    """A member that was frozen between its question and the answer knows nothing of the time between."""

    async def live() -> None:
        coordinator = _GroupCoordinator()
        heartbeats = Heartbeats()
        heartbeats.watch(SimpleNamespace(_coordinator=coordinator))
        await asyncio.sleep(LONG_S)
        await coordinator._send_req(object.__new__(SyncGroupRequest))
        await asyncio.sleep(LIMIT_S)
        heartbeats.answered()
        assert heartbeats.silence_s == LIMIT_S
        assert await coordinator._do_heartbeat()
        assert heartbeats.silence_s == 0

    run_in_virtual_time(live())


def _changelog(coordinator: Coordinator, producer: _Producer) -> Changelog:
    settings = KafkaSettings.model_validate({"servers": "k:1", "topic": "t", "group": "g"})
    changelog = Changelog(settings, "g-t-state", coordinator.fence())
    changelog._producer = IdempotentProducer(lambda: producer, "the producer")
    return changelog


class _GroupCoordinator:
    """What `Heartbeats` watches of aiokafka's."""

    generation = 1

    async def _send_req(self, request: object) -> None:
        assert isinstance(request, SyncGroupRequest)

    async def _do_heartbeat(self) -> bool:
        return True


class _Kept(NamedTuple):
    offset: int


class _Producer:
    """Keeps every batch at once, and says so a little later."""

    takes_s = 0.0

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, int]] = []

    async def start(self) -> None:
        """It is there."""

    async def send_batch(self, batch: WholeBatch, topic: str, *, partition: int) -> asyncio.Task[_Kept]:
        kept = _Kept(sum(count for _, _, count in self.sent))
        self.sent.append((topic, partition, batch.record_count()))
        return asyncio.create_task(asyncio.sleep(self.takes_s, kept))
