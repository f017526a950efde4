"""Quix Streams with its KinesisSink, doing the same stateful diff as well as its state store allows.

Run by `benchmarks.peers` in an environment of its own: nothing of this project is imported here.
"""

from __future__ import annotations

import argparse
from typing import Any

import orjson

_STATE = "exported"


class Diff:
    """What an event exports, given what was last exported, which Quix Streams keeps by profile."""

    def __init__(self, segments: list[str], attributes: list[str]) -> None:
        self._segments = segments
        self._attributes = [path.split(".") for path in attributes]

    def export(self, event: dict[str, Any], key: bytes, timestamp: int, headers: Any, state: Any) -> Any:  # noqa: ANN401, ARG002  Quix calls it so
        """The export that follows from an event; None where there is none."""
        previous = state.get(_STATE) or {"memberships": {}, "attributes": None, "identities": None}
        before = previous["memberships"]
        now, statuses, moved = self._compared(event["segmentMembership"].get("ups", {}), before)
        mapped = self._mapped(event)
        identities = event.get("identityMap", {})
        exported = {"memberships": now, "attributes": mapped, "identities": identities}
        if exported != previous and (now or before):
            state.set(_STATE, exported)
        changed = mapped != previous["attributes"] or identities != previous["identities"]
        if not moved and not (now and changed):
            return None
        return mapped | {"segmentMembership": {"ups": statuses}, "identityMap": identities}

    def _compared(
        self, entries: dict[str, Any], before: dict[str, str]
    ) -> tuple[dict[str, str], dict[str, Any], bool]:
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
        return now, statuses, moved

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


def main() -> None:
    """Run until ended."""
    from quixstreams import Application  # noqa: PLC0415  of its own environment; the diff is tested without it
    from quixstreams.sinks.community.kinesis import KinesisSink  # noqa: PLC0415  as above

    parser = argparse.ArgumentParser()
    for name in ("servers", "topic", "group", "endpoint", "state"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--segments", required=True, type=lambda text: text.split(","))
    parser.add_argument("--attributes", required=True, type=lambda text: text.split(","))
    options = parser.parse_args()
    diff = Diff(options.segments, options.attributes)
    app = Application(
        broker_address=options.servers,
        consumer_group=options.group,
        auto_offset_reset="earliest",
        state_dir=options.state,
        loglevel="INFO",
    )
    topic = app.topic(options.topic, key_deserializer="bytes", value_deserializer="json")
    sink = KinesisSink(
        stream_name="exports",
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",  # noqa: S106  nobody checks it
        region_name="eu-west-1",
        aws_endpoint_url=options.endpoint,
        value_serializer=orjson.dumps,
    )
    frame = app.dataframe(topic)
    frame = frame.apply(diff.export, stateful=True, metadata=True)
    frame = frame.filter(lambda export: export is not None)
    frame.sink(sink)
    app.run()


if __name__ == "__main__":
    main()
