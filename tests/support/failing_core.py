"""A core that fails on some events."""

from __future__ import annotations

import json
from typing import NamedTuple

from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import Governance
from processor.governance.plan import Plan, Verdict
from processor.profile.core import Core

SECRET = "Zq7wSECRET"


ONE_SEGMENT = Destination("d", Connection("eu-west-1"), "s", (), (Segment("ups", "s1"),), ("a",))


class Record(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0


class FailingPlan(Plan):
    """Fails on every event that is labelled FAIL."""

    error: Exception = TypeError()

    def verdict(self, labels: frozenset[str]) -> Verdict:
        if "FAIL" in labels:
            try:
                json.loads(SECRET)
            except json.JSONDecodeError as cause:
                raise self.error.with_traceback(None) from cause
        return super().verdict(labels)


def core_that_fails(error: Exception) -> Core:
    plan = FailingPlan(ONE_SEGMENT, Governance())
    plan.error = error
    return Core(plan)


def record(offset: int, key: str, *, fails: bool = False) -> Record:
    entry = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
    value = {"a": [offset, SECRET], "segmentMembership": {"ups": {"s1": entry}}}
    headers = (("duleLabels", b"FAIL"),) if fails else ()
    return Record(offset, key.encode(), json.dumps(value).encode(), headers)
