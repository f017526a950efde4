"""A client is left whatever keeps it, and no commit that is given up fails unseen."""

from __future__ import annotations

import asyncio
import inspect
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator, NoGroupCoordinator
from aiokafka.producer.sender import Sender

from processor.kafka.client_close import heed_commits, leave
from processor.kafka.client_lifecycle import within
from tests.support.virtual_time import run_in_virtual_time


class Connections:
    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True


class Consumer:
    """What aiokafka's does: `stop` awaits a fetch that it has cancelled, and closes its connections after that."""

    def __init__(self, ending: str) -> None:
        self._client = Connections()
        self._ending = ending
        self.began = asyncio.Event()
        self.fetch = asyncio.ensure_future(self._fetch())
        self._fetcher = SimpleNamespace(_fetch_task=None, _pending_tasks={self.fetch})

    async def _fetch(self) -> None:
        try:
            raise kafka.NodeNotReadyError
        except kafka.KafkaError:
            self.began.set()
            await asyncio.sleep(3600)

    async def stop(self) -> None:
        if self._ending == "never":
            await asyncio.Event().wait()
        if self._ending == "fails":
            raise kafka.GroupCoordinatorNotAvailableError
        self.fetch.cancel()
        await self.fetch
        await self._client.close()


@pytest.mark.parametrize("ending", ["cancelled from within", "never", "fails"])
def test_a_client_is_left_whatever_keeps_it_and_nothing_of_it_is(ending: str) -> None:
    async def world() -> None:
        consumer = Consumer(ending)
        await consumer.began.wait()
        await within(3.0, lambda: leave(consumer), "the consumer")
        assert consumer._client.closed
        assert consumer.fetch.done()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_in_virtual_time(world())


def test_a_commit_that_is_given_up_and_fails_later_is_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    async def world(*, heeded: bool) -> None:
        async def commit(*_: object) -> None:
            await asyncio.sleep(1)
            raise kafka.RequestTimedOutError

        coordinator: Any = SimpleNamespace(_do_commit_offsets=commit)
        if heeded:
            heed_commits(SimpleNamespace(_coordinator=coordinator))

        async def committing() -> None:  # as aiokafka does
            await asyncio.shield(coordinator._do_commit_offsets("assignment", "offsets"))

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await committing()
        await asyncio.sleep(1)

    with caplog.at_level(logging.ERROR):
        run_in_virtual_time(world(heeded=True))
        assert "never retrieved" not in caplog.text
        run_in_virtual_time(world(heeded=False))
        assert "never retrieved" in caplog.text, "asyncio looks at it now: the module may do less"


def test_aiokafka_has_the_names_that_are_used() -> None:
    assert "await x" in inspect.getsource(Fetcher.close), "the cancellation that comes out of it"
    assert "asyncio.shield(self._do_commit_offsets(" in inspect.getsource(GroupCoordinator.commit_offsets)
    for of, names in (
        (GroupCoordinator, ("_coordination_task", "_heartbeat_task", "_commit_refresh_task")),
        (NoGroupCoordinator, ("_reset_committed_task",)),
        (Fetcher, ("_fetch_task", "_pending_tasks")),
        (Sender, ("_sender_task",)),
        (AIOKafkaConsumer, ("_client", "_fetcher", "_coordinator")),
        (AIOKafkaProducer, ("client", "_sender")),
        (AIOKafkaAdminClient, ("_client",)),
    ):
        for name in names:
            assert f"self.{name} = " in inspect.getsource(of), f"{of.__name__}.{name}"
