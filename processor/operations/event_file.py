"""A file of events, one JSON object a line: what a dry run and the preview of a backfill read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeAlias

import msgspec
import orjson
from msgspec import UNSET, Meta, Raw, UnsetType

from processor.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_NoneAsList: TypeAlias = Annotated[list[Any], Meta(max_length=0)]
"""How a tool that writes headers as a list writes none."""


class FileEvent(NamedTuple):
    """An event of the file, with its number from 0, as a record of the source would have it."""

    number: int
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp_ms: int


class _Line(msgspec.Struct, frozen=True, rename={"value_text": "valueText"}):
    """An event of the file; `value` is copied as it stands in the line, for an export copies it, digits and all."""

    key: str
    timestamp: _Milliseconds
    headers: dict[str, str | None] | _NoneAsList | None = None
    value_text: str | UnsetType = UNSET
    value: Raw | UnsetType = UNSET


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


def read_events(lines: Iterable[bytes], source: str) -> Iterator[FileEvent]:
    """The events in `lines`, in order; empty lines are passed over. `source` names the file in errors.

    Raises:
        ConfigurationError: a line is not an event in the form that is asked for.

    """
    number = 0
    for at, text in enumerate(lines, start=1):
        if text.strip():
            line = _parsed(text, source, at)
            yield FileEvent(number, line.key.encode(), _value(line), _headers(line), line.timestamp)
            number += 1


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
