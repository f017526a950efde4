"""What credentials show of a region's streams: their list, and one of them; on a loop of its own, for clients are slow to make."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from processor.errors import KinesisError, KinesisUnavailable
from processor.kinesis.stream_list import STREAMS_MAX, list_streams
from processor.kinesis.stream_look import StreamSeen, look_at_stream

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from processor.governance.destination import Connection
    from processor.settings import KinesisSettings

_CONNECTED_MS: Final = 4_000
_ANSWERED_MS: Final = 8_000
_LOOKED_S: Final = 15.0
"""Somebody waits for it, with a form before them."""

_Found = TypeVar("_Found")


class StreamsSeen(NamedTuple):
    """The names of the region's streams, or why they cannot be listed; and the stream that was asked for, if one was."""

    names: list[str] | KinesisError
    stream: StreamSeen | None

    @property
    def is_whole(self) -> bool:
        """Whether there are no further streams than those named."""
        return not isinstance(self.names, KinesisError) and len(self.names) < STREAMS_MAX


async def see_streams(connection: Connection, stream: str | None, settings: KinesisSettings) -> StreamsSeen:
    """Look at the streams by a connection's credentials; whatever cannot be seen is in what is returned."""
    hasty = settings.model_copy(
        update={
            "connect_timeout_ms": min(settings.connect_timeout_ms, _CONNECTED_MS),
            "request_timeout_ms": min(settings.request_timeout_ms, _ANSWERED_MS),
        }
    )
    look = _Look()
    try:
        return await asyncio.to_thread(look.run, connection, stream, hasty)
    except asyncio.CancelledError:
        look.end()
        raise


class _Look:
    """One look, in a thread; it is ended where nobody waits for it any longer."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[StreamsSeen] | None = None
        self._is_over = False

    def run(self, connection: Connection, stream: str | None, settings: KinesisSettings) -> StreamsSeen:
        return asyncio.run(self._seen(connection, stream, settings))

    def end(self) -> None:
        self._is_over = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # its loop may just have been closed
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def _seen(
        self, connection: Connection, stream: str | None, settings: KinesisSettings
    ) -> StreamsSeen:
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        if self._is_over:
            raise asyncio.CancelledError
        names, seen = await asyncio.gather(
            _or_error(list_streams(connection, settings)),
            _nothing() if stream is None else _or_error(look_at_stream(connection, stream, settings)),
        )
        return StreamsSeen(names, StreamSeen(None, trouble=seen) if isinstance(seen, KinesisError) else seen)


async def _or_error(looking: Coroutine[object, object, _Found]) -> _Found | KinesisError:
    try:
        async with asyncio.timeout(_LOOKED_S):
            return await looking
    except KinesisError as error:
        return error
    except TimeoutError:
        return KinesisUnavailable(f"Kinesis has not answered within {_LOOKED_S:g} s")


async def _nothing() -> None:
    return None
