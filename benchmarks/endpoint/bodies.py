"""What calls and answers look like on the wire: JSON, which most clients speak, and CBOR, which Java's does.

A record is told by its partition key and its data. Answers come as JSON texts, one a record, and are translated.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

import orjson
import pybase64

from benchmarks.endpoint.shards import THROTTLED

if TYPE_CHECKING:
    from collections.abc import Sequence

_JSON_KEY: Final = re.compile(rb'"PartitionKey": ?"((?:[^"\\]|\\.)*)"')
_JSON_DATA: Final = re.compile(rb'"Data": ?"([^"]*)"')
# A text's length stands before it, in its first byte or in one or two that follow. The key is a record's last member, and
# what ends a record is in no text.
_CBOR_KEY: Final = re.compile(rb"lPartitionKey(?:[\x60-\x77]|\x78.|\x79..)([^\xff]*)\xff", re.DOTALL)
_CBOR_DATA: Final = b"dData"
_CBOR_SHORT: Final = 24
_CBOR_TEXT: Final = 0x60
_CBOR_MAP: Final = 0xA0


class Bodies(Protocol):
    """One form of bodies."""

    @property
    def content_type(self) -> bytes:
        """The type that an answer has."""

    def count(self, body: bytes) -> int:
        """How many records a call has."""

    def keys(self, body: bytes) -> list[bytes]:
        """The partition keys of a call."""

    def data(self, body: bytes, one_in: int = 1) -> list[bytes]:
        """The data of a call's records, or of one in so many of them, the first among them."""

    def data_bytes(self, body: bytes) -> int:
        """About how many bytes of data a call has."""

    def answer(self, results: Sequence[bytes]) -> bytes:
        """The answer to a call, given what is answered to each record."""


class JsonBodies:
    """JSON, with data in base64."""

    content_type: Final = b"application/x-amz-json-1.1"

    def count(self, body: bytes) -> int:
        """See `Bodies`."""
        return body.count(b'"PartitionKey"')

    def keys(self, body: bytes) -> list[bytes]:
        """See `Bodies`."""
        return _JSON_KEY.findall(body)

    def data(self, body: bytes, one_in: int = 1) -> list[bytes]:
        """See `Bodies`."""
        return [pybase64.b64decode(data) for data in _JSON_DATA.findall(body)[::one_in]]

    def data_bytes(self, body: bytes) -> int:
        """See `Bodies`."""
        return len(body) * 3 // 4

    def answer(self, results: Sequence[bytes]) -> bytes:
        """See `Bodies`."""
        return b'{"FailedRecordCount":%d,"Records":[%b]}' % (results.count(THROTTLED), b",".join(results))


class CborBodies:
    """CBOR, with data as it is."""

    content_type: Final = b"application/x-amz-cbor-1.1"

    def count(self, body: bytes) -> int:
        """See `Bodies`."""
        return body.count(b"lPartitionKey")

    def keys(self, body: bytes) -> list[bytes]:
        """See `Bodies`."""
        return _CBOR_KEY.findall(body)

    def data(self, body: bytes, one_in: int = 1) -> list[bytes]:
        """See `Bodies`."""
        found = []
        at = body.find(_CBOR_DATA)
        while at >= 0:
            begin, length = _cbor_length(body, at + len(_CBOR_DATA))
            found.append(body[begin : begin + length])
            at = body.find(_CBOR_DATA, begin + length)
        return found[::one_in]

    def data_bytes(self, body: bytes) -> int:
        """See `Bodies`."""
        return len(body)

    def answer(self, results: Sequence[bytes]) -> bytes:
        """See `Bodies`."""
        failed = b"\x19" + results.count(THROTTLED).to_bytes(2, "big")
        records = b"\x99" + len(results).to_bytes(2, "big") + b"".join(map(_cbor_of, results))
        return b"\xa2" + _cbor_text("FailedRecordCount") + failed + _cbor_text("Records") + records


JSON: Final = JsonBodies()
CBOR: Final = CborBodies()


def bodies_of(head: bytes) -> Bodies:
    """The form of the call that has this head."""
    return CBOR if b"x-amz-cbor-1.1" in head else JSON


@cache
def _cbor_of(result: bytes) -> bytes:
    members: dict[str, str] = orjson.loads(result)
    texts = b"".join(_cbor_text(text) for member in members.items() for text in member)
    return bytes([_CBOR_MAP + len(members)]) + texts


def _cbor_text(text: str) -> bytes:
    length = len(text)
    head = bytes([_CBOR_TEXT + length]) if length < _CBOR_SHORT else bytes([_CBOR_TEXT + _CBOR_SHORT, length])
    return head + text.encode()


def _cbor_length(body: bytes, at: int) -> tuple[int, int]:
    """Where the string at `at` begins, and how long it is."""
    told = body[at] & 0x1F
    if told < _CBOR_SHORT:
        return at + 1, told
    count = 1 << (told - _CBOR_SHORT)
    return at + 1 + count, int.from_bytes(body[at + 1 : at + 1 + count], "big")
