"""What the coordinator's answers tell of a member."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.group import JoinGroupRequest

from processor.kafka.heartbeats import Heartbeats


class Join(JoinGroupRequest):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self) -> None:
        pass


async def test_a_member_that_waits_to_be_taken_in_is_joining_until_it_is_answered_or_the_request_fails() -> (
    None
):
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def send(request: object) -> str:
        return await answer if isinstance(request, Join) else "at once"

    coordinator: Any = SimpleNamespace(_do_heartbeat=None, _send_req=send)
    heartbeats = Heartbeats()
    heartbeats.watch(SimpleNamespace(_coordinator=coordinator))
    seen = [heartbeats.is_joining]

    async def join() -> None:
        await coordinator._send_req(Join())

    joining = asyncio.create_task(join())
    await asyncio.sleep(0)
    seen.append(heartbeats.is_joining)
    await coordinator._send_req(object())  # another request, as a commit, changes nothing
    seen.append(heartbeats.is_joining)
    answer.set_exception(TimeoutError())
    await asyncio.wait([joining])
    assert isinstance(joining.exception(), TimeoutError)
    seen.append(heartbeats.is_joining)
    assert seen == [False, True, True, False]


@pytest.mark.parametrize("learns_by", ["heartbeat", "commit"])
async def test_a_member_is_expelled_from_when_the_group_does_not_know_it_until_it_has_joined_again(
    learns_by: str,
) -> None:
    async def beat() -> bool:
        coordinator.generation = -1
        return False

    async def send(_: object) -> str:
        coordinator.generation = -1  # aiokafka forgets its membership where a commit is refused
        return "unknown member"

    coordinator: Any = SimpleNamespace(_do_heartbeat=beat, _send_req=send, generation=3)
    heartbeats = Heartbeats()
    seen = [heartbeats.is_expelled]
    heartbeats.watch(SimpleNamespace(_coordinator=coordinator))
    seen.append(heartbeats.is_expelled)
    await (coordinator._do_heartbeat() if learns_by == "heartbeat" else coordinator._send_req(object()))
    seen.append(heartbeats.is_expelled)
    coordinator.generation = 4
    heartbeats.answered()
    seen.append(heartbeats.is_expelled)
    assert seen == [False, False, True, False]
