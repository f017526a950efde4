"""The script that most would write: aiokafka, a diff against a dictionary, `client.put_records`, then a commit.

It is let off lightly: its state is not durable, its order holds because it sends one call at a time, and it checks
nothing of an event. Run by `benchmarks.peers` in the benchmarks' own environment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from aiobotocore.session import get_session
from aiokafka import AIOKafkaConsumer

_RECORDS_A_CALL = 500


class Diff:
    """What was last exported, by profile, and what an event exports now."""

    def __init__(self, segments: list[str], attributes: list[str]) -> None:
        self._segments = segments
        self._attributes = [path.split(".") for path in attributes]
        self._exported: dict[str, tuple[dict[str, str], Any, Any]] = {}

    def export(self, profile: str, event: dict[str, Any]) -> dict[str, Any] | None:
        """The export that follows from an event, if any."""
        entries = event["segmentMembership"].get("ups", {})
        before, attributes_before, identities_before = self._exported.get(profile, ({}, None, None))
        now, statuses, moved = {}, {}, False
        for segment in self._segments:
            entry = entries.get(segment)
            if entry is not None and entry["status"] in {"realized", "existing"}:
                now[segment] = entry["lastQualificationTime"]
                status = "existing" if segment in before else "realized"
            elif segment in before:
                status = "exited"
            else:
                continue
            moved = moved or status != "existing"
            time = entry["lastQualificationTime"] if entry is not None else before[segment]
            statuses[segment] = {"lastQualificationTime": time, "status": status}
        attributes = self._mapped(event)
        identities = event.get("identityMap", {})
        changed = bool(now) and (attributes != attributes_before or identities != identities_before)
        if now or before:
            self._exported[profile] = (now, attributes, identities)
        if not moved and not changed:
            return None
        return attributes | {"segmentMembership": {"ups": statuses}, "identityMap": identities}

    def _mapped(self, event: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path in self._attributes:
            value: Any = event
            for name in path:
                value = value.get(name) if isinstance(value, dict) else None
            target = found
            for name in path[:-1]:
                target = target.setdefault(name, {})
            target[path[-1]] = value
        return found


async def main() -> None:
    """Run until ended."""
    parser = argparse.ArgumentParser()
    for name in ("servers", "topic", "group", "endpoint"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--segments", required=True, type=lambda text: text.split(","))
    parser.add_argument("--attributes", required=True, type=lambda text: text.split(","))
    options = parser.parse_args()
    diff = Diff(options.segments, options.attributes)
    consumer = AIOKafkaConsumer(
        options.topic,
        bootstrap_servers=options.servers,
        group_id=options.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=2000,
    )
    async with (
        consumer,
        get_session().create_client(
            "kinesis",
            region_name="eu-west-1",
            endpoint_url=options.endpoint,
            aws_access_key_id="benchmark",
            aws_secret_access_key="benchmark",  # noqa: S106  nobody checks it
        ) as client,
    ):
        while True:
            batches = await consumer.getmany(timeout_ms=200)
            records = []
            for message in (message for batch in batches.values() for message in batch):
                profile = message.key.decode()
                export = diff.export(profile, json.loads(message.value))
                if export is not None:
                    records.append({"Data": json.dumps(export).encode(), "PartitionKey": profile})
            for first in range(0, len(records), _RECORDS_A_CALL):
                await _put(client, records[first : first + _RECORDS_A_CALL])
            if batches:
                await consumer.commit()


async def _put(client: Any, records: list[dict[str, Any]]) -> None:  # noqa: ANN401  botocore makes its clients
    while records:
        answer = await client.put_records(StreamName="exports", Records=records)
        records = [
            record for record, result in zip(records, answer["Records"], strict=True) if "ErrorCode" in result
        ]


if __name__ == "__main__":
    asyncio.run(main())
