"""A dry run of the core on a file of events: what would be exported, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

from processor.errors import ConfigurationError, InvalidEvent, Problem, Reason
from processor.profile.state_record import has_left
from processor.profile.unexpected import described
from processor.state.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from processor.profile.core import Core

_MS_MAX = 2**63
_decode_line = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ReplayFigures(NamedTuple):
    """What a dry run came to."""

    events: int
    exports: int
    dead_letters: int


class _Line(NamedTuple):
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp_ms: int


def replay(
    core: Core, lines: Iterable[bytes], source: str, exports: BinaryIO, dead_letters: BinaryIO
) -> ReplayFigures:
    """Apply the events in `lines`, one JSON object a line, to a state that starts empty.

    Writes a line for each export and each invalid event. Needs memory for the state of the profiles alone.

    Raises:
        ConfigurationError: a line is not an event in the form that is asked for.

    """
    records = MemoryStore().records
    events = exported = invalid = 0
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        line = _parsed(text, source, number)
        state = records.get(line.key)
        try:
            transition = core.apply(
                line.key, line.value, line.headers, timestamp_ms=line.timestamp_ms, offset=events, state=state
            )
        except InvalidEvent as error:
            invalid += 1
            dead_letters.write(_letter(events, error.reason, error.detail))
        except Exception as error:  # noqa: BLE001  as in a batch of `run`
            invalid += 1
            dead_letters.write(_letter(events, Reason.INTERNAL, described(error)))
        else:
            if transition.state is not None:
                # Nothing is ever read again, so a profile that left need not be remembered.
                if has_left(transition.state):
                    records.pop(line.key, None)
                else:
                    records[line.key] = transition.state
            if transition.export is not None:
                exported += 1
                key = orjson.dumps(transition.export.partition_key)
                exports.write(
                    b'{"event": %d, "partitionKey": %b, "data": %b}\n' % (events, key, transition.export.data)
                )
        events += 1
    return ReplayFigures(events, exported, invalid)


def _letter(event: int, reason: Reason, detail: str) -> bytes:
    return orjson.dumps({"event": event, "reason": reason.value, "detail": detail}) + b"\n"


def _parsed(text: bytes, source: str, number: int) -> _Line:
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _wrong(source, number, "(the line)", f"it is not JSON: {error.msg}") from error
    if not isinstance(event, dict):
        raise _wrong(source, number, "(the line)", "it is not an object")
    key, timestamp, headers = event.get("key"), event.get("timestamp"), event.get("headers") or {}
    if not isinstance(key, str):
        raise _wrong(source, number, "key", "it is not a text")
    if not isinstance(timestamp, int) or isinstance(timestamp, bool) or not 0 <= timestamp < _MS_MAX:
        raise _wrong(source, number, "timestamp", "it is not a number of milliseconds since the epoch")
    if not isinstance(headers, dict) or not all(isinstance(v, str | None) for v in headers.values()):
        raise _wrong(source, number, "headers", "it is not an object of texts")
    return _Line(
        key.encode(),
        _value(event, text, source, number),
        [(name, None if value is None else value.encode()) for name, value in headers.items()],
        timestamp,
    )


def _value(event: dict[str, Any], text: bytes, source: str, number: int) -> bytes | None:
    if "valueText" in event:
        value_text = event["valueText"]
        if not isinstance(value_text, str):
            raise _wrong(source, number, "valueText", "it is not a text")
        return value_text.encode()
    if "value" not in event:
        raise _wrong(source, number, "value", "there is neither value nor valueText")
    return None if event["value"] is None else _raw_value(text)


def _raw_value(text: bytes) -> bytes:
    """The text of `value` as it stands in the line: an export copies it, digits and all."""
    return bytes(_decode_line(text)["value"])


def _wrong(source: str, number: int, member: str, message: str) -> ConfigurationError:
    remedy = 'Write {"key", "timestamp", "value" | "valueText", "headers"?} on every line'
    return ConfigurationError([Problem(source, number, member, message, remedy)])
