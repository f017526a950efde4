"""What can be seen of one stream before a record is written to it: whether it is there, and which permissions are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import orjson

from processor.errors import KinesisError, KinesisRefused, KinesisRejected
from processor.kinesis.access_keys import given_keys
from processor.kinesis.connection import open_exchange
from processor.kinesis.error_mapping import ACCESS_DENIED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.governance.destination import Connection
    from processor.kinesis.signed_call import Exchange
    from processor.settings import KinesisSettings

ABSENT: Final = "ResourceNotFoundException"
"""AWS's code where there is no such stream."""


class StreamSeen(NamedTuple):
    """What was seen. `exists` is None where it could not be told; what AWS did not say is None.

    `missing` are IAM actions that these credentials lack; `trouble` is why the stream could not be looked at, where that is
    anything else than that there is none.
    """

    exists: bool | None
    status: str | None = None
    mode: str | None = None
    shards: int | None = None
    missing: tuple[str, ...] = ()
    trouble: KinesisError | None = None


class _Mode(msgspec.Struct, rename={"mode": "StreamMode"}):
    mode: str | None = None


class _Summary(
    msgspec.Struct,
    rename={"status": "StreamStatus", "details": "StreamModeDetails", "shards": "OpenShardCount"},
):
    status: str | None = None
    details: _Mode | None = None
    shards: int | None = None


class _Described(msgspec.Struct, rename={"summary": "StreamDescriptionSummary"}):
    summary: _Summary


_decode: Final = msgspec.json.Decoder(_Described).decode


async def look_at_stream(connection: Connection, stream: str, settings: KinesisSettings) -> StreamSeen:
    """Look at a stream, by name or ARN, by the calls that `run` makes of it; no record is written.

    Raises:
        KinesisRefused: the region or the endpoint cannot be used.

    """
    async with open_exchange(connection, stream, settings) as exchange:
        look = _Look(exchange, connection, stream)
        summary = await look.answer("DescribeStreamSummary", {})
        if isinstance(summary, KinesisError) and not _is(summary, ACCESS_DENIED):
            return StreamSeen(False) if _is(summary, ABSENT) else StreamSeen(None, trouble=summary)
        found = {
            "DescribeStreamSummary": summary,
            # Without a record it is only refused, or found to be none that can be carried out.
            "PutRecords": await look.answer("PutRecords", {"Records": []}),
            "ListShards": await look.answer("ListShards", {"MaxResults": 1}),
        }
    return _seen(found, stream)


class _Look:
    """Calls of one stream."""

    def __init__(self, exchange: Exchange, connection: Connection, stream: str) -> None:
        self._exchange = exchange
        self._hidden = given_keys(connection)
        self._address = {"StreamARN" if stream.startswith("arn:") else "StreamName": stream}

    async def answer(self, action: str, further: Mapping[str, object]) -> bytes | KinesisError:
        body = orjson.dumps({**self._address, **further})
        try:
            return await self._exchange.answer(action, body, self._address, lambda: self._hidden)
        except KinesisError as error:
            return error


def _seen(found: Mapping[str, bytes | KinesisError], stream: str) -> StreamSeen:
    errors = {action: answer for action, answer in found.items() if isinstance(answer, KinesisError)}
    if any(_is(each, ABSENT) for each in errors.values()):
        return StreamSeen(False)
    missing = tuple(f"kinesis:{action}" for action, each in errors.items() if _is(each, ACCESS_DENIED))
    troubles = [
        each
        for each in errors.values()
        if not isinstance(each, KinesisRejected) and not _is(each, ACCESS_DENIED)
    ]
    trouble = troubles[0] if troubles else None
    summary = found["DescribeStreamSummary"]
    if isinstance(summary, KinesisError):
        is_there = not isinstance(found["ListShards"], KinesisError)
        return StreamSeen(True if is_there else None, missing=missing, trouble=trouble)
    try:
        said = _decode(summary).summary
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return StreamSeen(
            None, trouble=KinesisRefused(f"DescribeStreamSummary on {stream}: what answers is no Kinesis")
        )
    mode = None if said.details is None else said.details.mode
    return StreamSeen(True, said.status, mode, said.shards, missing, trouble)


def _is(error: KinesisError, code: str) -> bool:
    return isinstance(error, KinesisRefused) and error.code == code
