"""The streams that credentials may list, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import orjson

from processor.errors import KinesisRefused, KinesisRejected
from processor.kinesis.access_keys import given_keys
from processor.kinesis.connection import open_exchange

if TYPE_CHECKING:
    from processor.governance.destination import Connection
    from processor.settings import KinesisSettings

STREAMS_MAX: Final = 500
"""So many are listed; nobody chooses from more."""

_WHAT: Final = "the region's streams"


class _Page(msgspec.Struct, rename={"names": "StreamNames", "has_more": "HasMoreStreams"}):
    names: list[str]
    has_more: bool | None = None


_decode: Final = msgspec.json.Decoder(_Page).decode


async def list_streams(connection: Connection, settings: KinesisSettings) -> list[str]:
    """Return the names of the region's streams, by name; the first of them where there are very many.

    Raises:
        KinesisRefused: they may not be listed (`code` is `error_mapping.ACCESS_DENIED`), or there are no credentials.
        KinesisUnavailable: Kinesis does not answer.

    """
    found: list[str] = []
    hidden = given_keys(connection)
    async with open_exchange(connection, _WHAT, settings) as exchange:
        while len(found) < STREAMS_MAX:
            asked = {"ExclusiveStartStreamName": found[-1]} if found else {}
            try:
                page = _decode(await exchange.answer("ListStreams", orjson.dumps(asked), {}, lambda: hidden))
            except KinesisRejected as error:
                raise KinesisRefused(str(error)) from error
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise KinesisRefused(f"ListStreams on {_WHAT}: what answers is no Kinesis") from error
            found += page.names
            if not page.has_more or not page.names:
                break
    return sorted(found)[:STREAMS_MAX]
