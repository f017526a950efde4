"""How long Kinesis has answered no call."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from processor.errors import KinesisRefused, KinesisRejected, KinesisUnavailable, KinesisUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

_REPORTED_AFTER_S: Final = 5.0
"""A call that fails now and then is no outage."""


class Outage:
    """How long no call has been answered. Times are the loop's, in seconds."""

    def __init__(self) -> None:
        self._answered_at_s = float("-inf")
        self._since_s: float | None = None
        self._reason = self._seen = ""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note how the call within ends; its errors pass."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            yield
        except KinesisUnavailable as error:
            self.failed(began_s, str(error), is_readable=not isinstance(error, KinesisUnreadable))
            raise
        except (KinesisRejected, KinesisRefused):
            self.answered(loop.time())
            raise
        self.answered(loop.time())

    def answered(self, now_s: float) -> None:
        """A call was answered, be it with a refusal."""
        self._answered_at_s, self._since_s = now_s, None

    def failed(self, began_s: float, reason: str, *, is_readable: bool = True) -> None:
        """A call that was begun at `began_s` was not answered, or its answer could not be read."""
        self._reason = reason
        self._seen = "no call was answered" if is_readable else "no answer could be read"
        if self._since_s is None:
            # What was begun before the last answer says nothing of the time before it.
            self._since_s = max(began_s, self._answered_at_s)

    def description(self, now_s: float) -> str | None:
        """The outage as a sentence; None where there is none, or where it has not lasted for five seconds."""
        if self._since_s is None or now_s - self._since_s < _REPORTED_AFTER_S:
            return None
        return f"{self._seen} for {now_s - self._since_s:.0f} s: {self._reason}"
