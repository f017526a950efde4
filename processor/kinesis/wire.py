"""PutRecords on the wire: a request's body, made once from the exports' bytes, and an answer's results.

JSON, as botocore's model of Kinesis declares. https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import orjson
from pybase64 import b64encode_as_string as _base64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.profile.structs import Export


class Result(
    msgspec.Struct, frozen=True, gc=False, rename={"error_code": "ErrorCode", "shard_id": "ShardId"}
):
    """What became of one record: stored in a shard, or an error code."""

    error_code: str | None = None
    shard_id: str | None = None


class Answer(msgspec.Struct, frozen=True, rename={"failed": "FailedRecordCount", "results": "Records"}):
    """The results, in the order of the records, and how many of them are errors."""

    results: list[Result]
    failed: int = 0


class _Error(msgspec.Struct, rename={"type": "__type"}):
    type: str = ""


_decode_answer: Final = msgspec.json.Decoder(Answer).decode
_decode_error: Final = msgspec.json.Decoder(_Error).decode


def request_body(address: dict[str, str], records: Sequence[Export]) -> bytes:
    """A request's body."""
    entries = [{"Data": _base64(record.data), "PartitionKey": record.partition_key} for record in records]
    return orjson.dumps({**address, "Records": entries})


def read_answer(body: bytes) -> Answer | None:
    """An answer's results; None where it is not one."""
    try:
        return _decode_answer(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def read_error_code(header: str | None, body: bytes) -> str:
    """The code of an answer that is an error, `` where it has none.

    It stands in the header `x-amzn-errortype`, with more behind a colon, or in the body, with a namespace before #.
    """
    if header:
        return header.partition(":")[0].rpartition("#")[2]
    try:
        return _decode_error(body).type.rpartition("#")[2].partition(":")[0]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
