"""Which member a group has given which partitions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.members import (
        Member,
    )

ASSIGNED = "partitions assigned"


def assignments(member: Member) -> list[list[int]]:
    """What a member was given, time after time; not the empty ones."""
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in member.log.read_text().splitlines() if ASSIGNED in line
    ]
    return [line["partitions"] for line in lines if line["partitions"]]
