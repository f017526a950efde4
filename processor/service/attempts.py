"""Attempts to connect, of which each may take so long, and that are retried for as long as waiting may cure them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import structlog

from processor.errors import (
    ConfigurationError,
    KafkaRefused,
    KafkaUnavailable,
    KinesisRefused,
    KinesisUnavailable,
    ProcessorError,
    StateUnavailable,
    WorkerStalled,
)
from processor.waiting.retry import Delays, retried

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.settings import Settings
    from processor.telemetry.status import Status

log = structlog.get_logger(__name__)

_Result = TypeVar("_Result")
_Errors: TypeAlias = tuple[type[ProcessorError], ...]

RETRIED_AT_FIRST: Final[_Errors] = (KafkaUnavailable, KinesisUnavailable, StateUnavailable)
"""What is retried at the first start."""
RETRIED_AFTER_A_RESTART: Final[_Errors] = (
    *RETRIED_AT_FIRST,
    KafkaRefused,
    KinesisRefused,
    ConfigurationError,
)
"""What is retried by a worker that has worked before: permissions, and TLS files, may come back."""

_DELAYS: Final = Delays(0.5, 15.0)
_REQUESTS: Final = 10
"""An attempt to connect is some requests, each of which has its time-out: one that takes longer than so many does not end."""


class Attempts:
    """Attempts of one worker, which retries `errors`, and whose every attempt may take `attempt_max_s` seconds.

    What an attempt fails with is logged, and is a condition of the worker's `status` until an attempt succeeds.
    """

    def __init__(self, errors: _Errors, attempt_max_s: float, status: Status) -> None:
        self._errors = errors
        self._attempt_max_s = attempt_max_s
        self._status = status

    @classmethod
    def of(cls, settings: Settings, errors: _Errors, status: Status) -> Attempts:
        """Return attempts as long as the settings' time-outs need."""
        stall_s = settings.service.stall_timeout_ms / 1000
        return cls(errors, max(stall_s, _REQUESTS * settings.kafka.request_timeout_ms / 1000), status)

    async def connected(self, what: str, action: Callable[[], Awaitable[_Result]]) -> _Result:
        """Return the result of `action`, which connects to `what`: the name of the condition while it does not succeed.

        Raises:
            WorkerStalled: an attempt neither succeeds nor fails.

        """

        def failed(error: ProcessorError, wait_s: float) -> None:
            self._status.unhealthy(what, str(error))
            log.warning("not connected yet", to=what, reason=str(error), wait_s=wait_s)

        async def attempt() -> _Result:
            return await self._attempt(what, action)

        result = await retried(attempt, errors=self._errors, delays=_DELAYS, on_failure=failed)
        self._status.healthy(what)
        return result

    async def _attempt(self, what: str, action: Callable[[], Awaitable[_Result]]) -> _Result:
        try:
            async with asyncio.timeout(self._attempt_max_s) as limit:
                return await action()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise WorkerStalled(
                f"an attempt to connect to {what} did not end within {self._attempt_max_s:g} s; the worker is ended to be "
                "started anew"
            ) from error
