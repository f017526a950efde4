"""How large a call may be: what the settings allow, less where the way to Kinesis does not let as much through.

Proxies and gateways have limits of their own, and on a thin link a large call does not end before its time-out. A
call that was too large is followed by one of half its size, or of the size that last passed; from there calls grow
again, the more slowly the more often that was in vain. Where not even a record alone passes, size is not the cause.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from processor.errors import KinesisTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from processor.errors import KinesisUnavailable
    from processor.kinesis.call import Call
    from processor.settings import KinesisSettings

_LEAST_BYTES: Final = 64
_GROWTH: Final = 8
"""Near a size that failed, calls grow by this part of their size."""
_KEEP_S, _KEEP_MAX_S = 2.0, 300.0
"""How long calls keep their size there: at first, and where growing was often in vain."""
_REPORTED_FOR: Final = 3
"""A record that is too large alone is reported for so many of its retries' waits."""


class Size(StrEnum):
    """What of a call, or of all on their way, was too large."""

    TOO_LARGE = "too-large"
    TOO_LARGE_ALONE = "too-large-alone"
    TOO_MUCH_TOGETHER = "too-much-together"


class CallSize:
    """The limit of a call's data and partition keys together, in bytes. Times are the loop's, in seconds."""

    def __init__(self, settings: KinesisSettings) -> None:
        self.limit_bytes = self._maximum_bytes = settings.max_request_bytes
        self._call_s = settings.request_timeout_ms / 1000
        self._reported_s = _REPORTED_FOR * settings.slow_retry_ms / 1000
        self._failed_bytes: int | None = None
        """The smallest call that is known to be too large; None where none is."""
        self._passed_bytes = 0
        """The largest call that was answered since the last cut."""
        self._keep_s = _KEEP_S
        self._cut_at_s = self._grown_at_s = float("-inf")
        self._alone = ""
        self._alone_until_s = float("-inf")

    def answered(self, size_bytes: int, took_s: float) -> None:
        """A call of this size was answered: calls may grow, if they are as large as they may be."""
        if took_s * 2 > self._call_s:
            return  # nor would a larger one end in time, nor this one while the way is shared with others
        self._passed_bytes = max(self._passed_bytes, size_bytes)
        if self.limit_bytes == self._maximum_bytes:
            return
        if self._failed_bytes is not None and size_bytes >= self._failed_bytes:
            self._failed_bytes, self._keep_s = None, _KEEP_S
        now_s, is_free = asyncio.get_running_loop().time(), self._failed_bytes is None
        if size_bytes * 2 < self.limit_bytes:
            if is_free:
                self.limit_bytes = self._maximum_bytes
        elif is_free and took_s * 4 <= self._call_s:
            self._grow(self.limit_bytes, now_s)
        elif now_s >= max(self._cut_at_s, self._grown_at_s) + self._keep_s:
            self._grow(self.limit_bytes // _GROWTH, now_s)

    def failed(
        self, call: Call, error: KinesisUnavailable, others: Iterable[Call], began_s: float
    ) -> Size | None:
        """A call that was begun at `began_s` failed while `others` were on their way; None where size is not why.

        An outcome that is unknown, as after a time-out or an answer that breaks off, may come from the call's size or
        from that of all together; an error that Kinesis answers does not.
        """
        now_s = asyncio.get_running_loop().time()
        is_alone = len(call.items) == 1
        if isinstance(error, KinesisTooLarge):
            # What is larger than the limit was sent before the last cut.
            if is_alone or call.size_bytes <= self.limit_bytes:
                self._cut(call.size_bytes, now_s)
            if not is_alone:
                return Size.TOO_LARGE
            self._alone = _described_alone(call.size_bytes, str(error))
            self._alone_until_s = now_s + self._reported_s
            return Size.TOO_LARGE_ALONE
        if not error.outcome_unknown or began_s < self._cut_at_s:
            return None
        size_bytes = max([call.size_bytes, *(other.size_bytes for other in others)])
        self._cut(size_bytes, now_s)
        if is_alone or size_bytes <= _LEAST_BYTES:
            self._failed_bytes = None  # nothing smaller would pass: an outage
        return Size.TOO_MUCH_TOGETHER

    def description(self, now_s: float) -> str | None:
        """The record that alone is too large, as a sentence; None where there is none."""
        return self._alone if now_s < self._alone_until_s else None

    def _cut(self, failed_bytes: int, now_s: float) -> None:
        if self._failed_bytes is not None and self._grown_at_s > self._cut_at_s:
            # It had grown towards what failed, in vain.
            self._keep_s = min(self._keep_s * 2, _KEEP_MAX_S)
        smaller_bytes = max(self._passed_bytes, failed_bytes // 2, _LEAST_BYTES)
        self.limit_bytes = min(self.limit_bytes, smaller_bytes)
        self._failed_bytes, self._passed_bytes, self._cut_at_s = failed_bytes, 0, now_s

    def _grow(self, by_bytes: int, now_s: float) -> None:
        self.limit_bytes = min(self.limit_bytes + by_bytes, self._maximum_bytes)
        self._grown_at_s = now_s


def _described_alone(size_bytes: int, reason: str) -> str:
    return (
        f"{reason}. A record of {size_bytes} bytes does not pass even alone, and is tried again: have bodies of "
        f"{size_bytes * 4 // 3 + 1000} bytes let through, or go another way (a VPC endpoint, NO_PROXY). Its profile "
        "waits for it, and its partition once the buffers are full"
    )
