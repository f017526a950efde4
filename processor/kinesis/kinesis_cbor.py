"""PutRecords in CBOR: a quarter fewer bytes than in JSON, for data stands there as it is, and not in base64.

Kinesis takes it as AWS' client for Java, which prefers it, writes it; this writes the same bytes. No documentation of AWS'
says more than that the client has a switch for it
(https://docs.aws.amazon.com/sdk-for-java/latest/developer-guide/migration-client-changes.html). RFC 8949 is the format.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Final, TypeVar

import cbor2
import msgspec

from processor.kinesis import kinesis_json
from processor.kinesis.kinesis_json import Answer, AnyAnswer, Result, Unreadable, answer_of_each
from processor.native import native

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from processor.profile.structs import Export

CONTENT_TYPE: Final = "application/x-amz-cbor-1.1"
_JSON_BEGINS: Final = b"{"
_ANSWER_BYTES_MAX: Final = 2 * 1024 * 1024
"""An answer to 500 records has some 60 kB, and may take eighty times its bytes where it is no answer, but made to."""

_Said = TypeVar("_Said")


def request_body(address: Mapping[str, str], records: Sequence[Export]) -> bytes:
    """A request's body."""
    if native is not None:
        body = native.put_records_cbor(dict(address), records)
        if body is not None:
            return body
    return plain_body(address, records)


def plain_body(address: Mapping[str, str], records: Sequence[Export]) -> bytes:
    """As `request_body`, in plain Python."""
    entries = [{"Data": record.data, "PartitionKey": record.partition_key} for record in records]
    # Maps and lists are ended by a break, not begun with a length, and the stream stands behind the records: the client for
    # Java writes so.
    return cbor2.dumps({"Records": entries, **address}, indefinite_containers=True)


def read_answer(body: bytes, records: int) -> Answer:
    """What an answer says of each of so many records: as `kinesis_json.read_answer`, which reads those in JSON.

    Raises:
        Unreadable: it does not say it of each.

    """
    if body.lstrip()[:1] == _JSON_BEGINS:
        return kinesis_json.read_answer(body, records)
    if len(body) > _ANSWER_BYTES_MAX:
        raise Unreadable(f"it is far too long, with {len(body)} bytes")
    if native is not None:
        shards = native.stored_in(body)
        if shards is not None and len(shards) == records:
            return Answer([_stored(shard) for shard in shards])
    return answer_of_each(decoded(body, AnyAnswer), records)


def decoded(body: bytes, of: type[_Said]) -> _Said:
    """What a body says, as a struct.

    Raises:
        Unreadable: it is no such thing.

    """
    read = BytesIO(body)
    try:
        # Keys that are no text may be made to have one hash, which takes quadratic time.
        said = cbor2.CBORDecoder(read, semantic_decoders=_Contents(), strict_hashable_types=True).decode()
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError, MemoryError, TypeError):
        raise Unreadable(_what_it_is(body)) from None
    if read.tell() < len(body):
        raise Unreadable(f"it ends after {read.tell()} of its {len(body)} bytes")
    try:
        return msgspec.convert(said, of)
    except (msgspec.MsgspecError, RecursionError):
        raise Unreadable("its Records are missing or not what they must be") from None


class _Contents(dict[int, "Callable[[object, bool], object]"]):
    """What stands for a tag: its content, whatever the tag.

    The library would make expressions, fractions and dates of some, which may take minutes, or warn.
    """

    def __missing__(self, _: int) -> Callable[[object, bool], object]:
        return _content


def _content(content: object, _: bool) -> object:  # noqa: FBT001  the library says how it is called
    return content


@lru_cache(maxsize=4096)
def _stored(shard: str) -> Result:
    return Result(None, shard)


def _what_it_is(body: bytes) -> str:
    if body.lstrip()[:1] == b"<" or not body.strip():
        return kinesis_json.what_it_is(body)
    return f"it is neither CBOR nor JSON, or breaks off after {len(body)} bytes"
