"""A dry run of the core on a file of events: what would be exported, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeAlias

import msgspec
import orjson
from msgspec import UNSET, Meta, Raw, UnsetType

from processor.errors import ConfigurationError, InvalidEvent, Problem, Reason
from processor.profile.state_record import has_left
from processor.profile.unexpected import described
from processor.state.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from processor.profile.core import Core

_Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_NoneAsList: TypeAlias = Annotated[list[Any], Meta(max_length=0)]
"""How a tool that writes headers as a list writes none."""


class ReplayFigures(NamedTuple):
    """What a dry run came to."""

    events: int
    exports: int
    dead_letters: int


class _Line(msgspec.Struct, frozen=True, rename={"value_text": "valueText"}):
    """An event of the file; `value` is copied as it stands in the line, for an export copies it, digits and all."""

    key: str
    timestamp: _Milliseconds
    headers: dict[str, str | None] | _NoneAsList | None = None
    value_text: str | UnsetType = UNSET
    value: Raw | UnsetType = UNSET


class _DeadLetterLine(msgspec.Struct, frozen=True):
    """An event that would be a dead letter: its number in the file, from 0."""

    event: int
    reason: Reason
    detail: str


_NOT_THAT: Final = {
    "key": "it is not a text",
    "timestamp": "it is not a number of milliseconds since the epoch",
    "headers": "it is not an object of texts",
    "valueText": "it is not a text",
    "value": "there is neither value nor valueText",
}
_NULL: Final = b"null"
_lines: Final = msgspec.json.Decoder(_Line)
_members: Final = msgspec.json.Decoder(dict[str, Raw])
_encode: Final = msgspec.json.Encoder().encode


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
        key = line.key.encode()
        state = records.get(key)
        try:
            transition = core.apply(
                key, _value(line), _headers(line), timestamp_ms=line.timestamp, offset=events, state=state
            )
        except InvalidEvent as error:
            invalid += 1
            dead_letters.write(_dead_letter(events, error.reason, error.detail))
        except Exception as error:  # noqa: BLE001  as in a batch of `run`
            invalid += 1
            dead_letters.write(_dead_letter(events, Reason.INTERNAL, described(error)))
        else:
            if transition.state is not None:
                # Nothing is ever read again, so a profile that left need not be remembered.
                if has_left(transition.state):
                    records.pop(key, None)
                else:
                    records[key] = transition.state
            if transition.export is not None:
                exported += 1
                partition_key, data = _encode(transition.export.partition_key), transition.export.data
                exports.write(
                    b'{"event": %d, "partitionKey": %b, "data": %b}\n' % (events, partition_key, data)
                )
        events += 1
    return ReplayFigures(events, exported, invalid)


def _dead_letter(event: int, reason: Reason, detail: str) -> bytes:
    return _encode(_DeadLetterLine(event, reason, detail)) + b"\n"


def _parsed(text: bytes, source: str, number: int) -> _Line:
    try:
        orjson.loads(text)  # looks into the value too, which is only copied below
    except orjson.JSONDecodeError as error:
        raise _wrong(source, number, "(the line)", f"it is not JSON: {error.msg}") from error
    try:
        line = _lines.decode(text)
    except msgspec.ValidationError as error:
        raise _wrong(source, number, *_first_wrong(text)) from error
    if line.value is UNSET and line.value_text is UNSET:
        raise _wrong(source, number, "value", _NOT_THAT["value"])
    return line


def _first_wrong(text: bytes) -> tuple[str, str]:
    """Return the first member of a line that is not as `_Line` has it, and what is wrong with it."""
    try:
        members = _members.decode(text)
    except msgspec.ValidationError:
        return "(the line)", "it is not an object"
    for field in msgspec.structs.fields(_Line):
        given = members.get(field.encode_name, Raw(_NULL) if field.required else None)
        try:
            if given is not None:
                msgspec.json.decode(given, type=field.type)
        except msgspec.ValidationError:
            return field.encode_name, _NOT_THAT[field.encode_name]
    return "(the line)", "it has a member twice, of which the first is wrong"


def _value(line: _Line) -> bytes | None:
    if line.value_text is not UNSET:
        return line.value_text.encode()
    value = _NULL if line.value is UNSET else bytes(line.value)
    return None if value == _NULL else value


def _headers(line: _Line) -> list[tuple[str, bytes | None]]:
    if not isinstance(line.headers, dict):
        return []
    return [(name, None if value is None else value.encode()) for name, value in line.headers.items()]


def _wrong(source: str, number: int, member: str, message: str) -> ConfigurationError:
    remedy = 'Write {"key", "timestamp", "value" | "valueText", "headers"?} on every line'
    return ConfigurationError([Problem(source, number, member, message, remedy)])
