"""A member that the group refuses says why, and goes on trying: with aiokafka's own coordinator, on virtual time."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import errors as kafka
from aiokafka.consumer.group_coordinator import GroupCoordinator

from processor.kafka.heartbeats import Heartbeats
from processor.kafka.refused_join import AGAIN_S, RefusedJoin
from processor.telemetry.status import Status
from processor.worker.health import Health
from tests.support.virtual_time import run_in_virtual_time

REFUSALS = [
    (kafka.InconsistentGroupProtocolError(), "none of this service"),
    (kafka.InvalidSessionTimeoutError(), "PROCESSOR_KAFKA_SESSION_TIMEOUT_MS"),
    (kafka.GroupAuthorizationFailedError("g"), "grant Read on it"),
    # What aiokafka does not know, as a group that is full.
    (kafka.KafkaError("UnknownError()"), "UnknownError"),
]


@pytest.mark.parametrize(("error", "remedy"), REFUSALS)
def test_it_is_reported_at_once_and_tried_again_until_it_is_taken_in(error: Exception, remedy: str) -> None:
    async def world() -> None:
        heartbeats, status = Heartbeats(), Status()
        joining = RefusedJoin("g", heartbeats)
        source: Any = SimpleNamespace(rival=None, is_there=True, topic="events")
        writer: Any = SimpleNamespace(trouble=None, figures=SimpleNamespace(in_flight=0))
        owned: Any = SimpleNamespace(begin_anew_what_failed=lambda: None)
        health = Health(source, heartbeats, writer, owned, status, silence_max_s=9, growth=lambda: None)
        tries, joined = 0, asyncio.Event()

        def reported() -> str:
            source.refusal = joining.trouble
            health.look()
            assert "kafka" not in status.conditions
            return status.conditions.get("group", "")

        async def beat() -> bool:
            return True

        coordinator: Any = SimpleNamespace(
            _closing=asyncio.get_running_loop().create_future(), _do_heartbeat=beat, _send_req=None
        )

        async def coordinate() -> None:
            nonlocal tries
            while tries < 20:
                tries += 1
                # Nobody polls: aiokafka's own would wait for that here.
                await coordinator._push_error_to_user(error)
            await coordinator._do_heartbeat()
            joined.set()

        consumer: Any = SimpleNamespace(_coordinator=coordinator)
        heartbeats.watch(consumer)
        joining.watch(consumer)
        assert not reported()
        coordinating = asyncio.create_task(coordinate())
        await asyncio.sleep(AGAIN_S / 2)
        assert "joining group g" in reported()
        assert remedy in reported()
        await asyncio.sleep(10 * AGAIN_S)
        assert remedy in reported()
        assert tries == 11
        await joined.wait()
        assert not reported()
        await coordinating

    run_in_virtual_time(world())


def test_a_member_that_ends_meanwhile_is_not_waited_for() -> None:
    async def world() -> float:
        loop = asyncio.get_running_loop()
        coordinator: Any = SimpleNamespace(_closing=loop.create_future())
        RefusedJoin("g", Heartbeats()).watch(SimpleNamespace(_coordinator=coordinator))
        loop.call_later(AGAIN_S / 4, coordinator._closing.set_result, None)
        await coordinator._push_error_to_user(kafka.InconsistentGroupProtocolError())
        return loop.time()

    assert run_in_virtual_time(world()) < AGAIN_S


def test_aiokafka_has_what_is_touched() -> None:
    source = inspect.getsource(GroupCoordinator)
    assert "await self._push_error_to_user(exc)\n                continue" in source
    assert "self._closing = create_future()" in source
