"""An event that cannot be exported, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from processor.errors import Reason
    from processor.profile.source_record import Record


class DeadLetter(NamedTuple):
    """An event, the word for what is wrong with it, and a sentence without any of its data."""

    record: Record
    reason: Reason
    detail: str
