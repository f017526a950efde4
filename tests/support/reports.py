"""A worker's report, as a worker that is well makes it; tests say what differs."""

from __future__ import annotations

from typing import Any

import msgspec

from processor.telemetry.report import DestinationReport, FlowReport, ItemReport, Report

DESTINATION = DestinationReport(
    name="Loyalty exports",
    stream="profile-exports",
    region="eu-west-1",
    marketing_actions=["exportToThirdParty"],
    enforcement="filter",
    consent_policies=[],
    items=[
        ItemReport("attribute", "person.email", ["I1"]),
        ItemReport(
            "attribute", "loyalty.tier", ["C2"], "Third Party Export Restriction", "exportToThirdParty"
        ),
    ],
    loaded_at=1_000.0,
)

FLOW = FlowReport(
    in_flight=0,
    in_flight_bytes=0,
    in_flight_limit_bytes=32 * 1024 * 1024,
    fetched_bytes=0,
    buffered_bytes=0,
    buffer_limit_bytes=64 * 1024 * 1024,
    requests_in_flight=0,
    idle=1.0,
    busy=0.0,
    backpressured=0.0,
)


def report(**changes: Any) -> Report:
    """Of worker 0, ready, with no partition and no shard."""
    well = Report(
        worker=0,
        pid=1234,
        version="1.0.0",
        core="compiled",
        started_at=1_000.0,
        at=1_060.0,
        is_ready=True,
        conditions={},
        stalled=None,
        topic="profile-changes",
        group="loyalty",
        destination=DESTINATION,
        flow=FLOW,
        totals=dict.fromkeys(
            (
                "received",
                "unchanged",
                "exported",
                "skipped",
                "deadLettered",
                "abandoned",
                "stored",
                "retried",
            ),
            0.0,
        ),
        rates={},
        dead_letters={},
        removed={},
        partitions=[],
        shards=[],
        errors=[],
    )
    return msgspec.structs.replace(well, **changes)
