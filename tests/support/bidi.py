"""A browser by WebDriver BiDi: commands and their answers over one WebSocket, as the W3C describes them."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class BidiRefused(Exception):
    """A command that the browser does not carry out, by its own code and words."""

    def __init__(self, method: str, code: str, message: str) -> None:
        super().__init__(f"{method}: {code}: {message}")
        self.code = code


class Bidi:
    """One session. Events go to `heard`, by their name and parameters."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, heard: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self._socket = socket
        self._heard = heard
        self._numbers = itertools.count(1)
        self._awaited: dict[int, tuple[str, asyncio.Future[dict[str, Any]]]] = {}

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result of a command; raises `BidiRefused`."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._awaited[number] = (method, answer)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        return await answer

    async def read(self) -> None:
        """Give answers to those who wait for them, until the browser ends the session."""
        async for message in self._socket:
            told = message.json()
            if told["type"] == "event":
                self._heard(told["method"], told["params"])
                continue
            method, answer = self._awaited.pop(told["id"])
            if answer.cancelled():
                continue
            if told["type"] == "success":
                answer.set_result(told["result"])
            else:
                answer.set_exception(BidiRefused(method, told["error"], told["message"]))
        for method, answer in self._awaited.values():
            if not answer.done():
                answer.set_exception(BidiRefused(method, "gone", "the session has ended"))


@asynccontextmanager
async def bidi_session(url: str, heard: Callable[[str, dict[str, Any]], None]) -> AsyncIterator[Bidi]:
    """Begin a session at a browser's WebSocket; it ends with the block."""
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/session", max_msg_size=0) as socket:
        bidi = Bidi(socket, heard)
        reading = asyncio.create_task(bidi.read(), name="bidi")
        try:
            await bidi.command("session.new", capabilities={})
            yield bidi
        finally:
            await socket.close()
            await asyncio.wait([reading])
