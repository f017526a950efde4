"""Which member a group has given which partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.members import (
        Member,
    )

ASSIGNED = "partitions assigned"


def assignments(member: Member) -> list[list[int]]:
    """What a member was given, time after time; not the empty ones."""
    return [line["partitions"] for line in member.lines(ASSIGNED) if line["partitions"]]
