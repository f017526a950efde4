"""What the coordinator's answers tell of a member."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

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
