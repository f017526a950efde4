"""A client whose start or stop is cancelled leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from processor.errors import KafkaUnavailable
from processor.kafka import client_lifecycle
from processor.kafka.client_lifecycle import connected


class Client:
    """Starts and stops, each once the test lets it."""

    def __init__(self) -> None:
        self.may = {"start": asyncio.Event(), "stop": asyncio.Event()}
        self.begun = {"start": asyncio.Event(), "stop": asyncio.Event()}
        self.ended: list[str] = []

    async def start(self) -> None:
        await self._do("start")

    async def stop(self) -> None:
        await self._do("stop")

    async def _do(self, what: str) -> None:
        self.begun[what].set()
        try:
            await self.may[what].wait()
        except asyncio.CancelledError:
            self.ended.append(f"{what} was broken off")
            raise
        self.ended.append(what)


async def use(client: Client) -> None:
    async with connected(client, "trying"):
        client.ended.append("used")


async def cancelled_again_and_again(task: asyncio.Task[None]) -> None:
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("when", "done"), [("start", ["start", "stop"]), ("stop", ["start", "used", "stop"])]
)
async def test_what_was_begun_is_ended_before_a_cancellation_is_raised(when: str, done: list[str]) -> None:
    client = Client()
    if when == "stop":
        client.may["start"].set()
    task = asyncio.create_task(use(client))
    await client.begun[when].wait()
    await cancelled_again_and_again(task)
    assert not task.done()
    for may in client.may.values():
        may.set()
    await asyncio.wait([task])
    assert task.cancelled()
    assert client.ended == done


async def test_a_cancelled_start_and_a_stop_that_take_too_long_are_broken_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_lifecycle, "_STOP_TIMEOUT_S", 0.01)
    client = Client()
    task = asyncio.create_task(use(client))
    await client.begun["start"].wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert client.ended == ["start was broken off", "stop was broken off"]


async def test_a_start_that_fails_is_an_error_of_ours_and_the_client_is_stopped() -> None:
    class Failing(Client):
        async def start(self) -> None:
            raise ConnectionResetError("no")

    client = Failing()
    client.may["stop"].set()
    with pytest.raises(KafkaUnavailable, match="trying: ConnectionResetError: no"):
        await use(client)
    assert client.ended == ["stop"]
