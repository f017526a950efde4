"""The connection to one stream: the calls that Kinesis' API has, with Python's values, and the errors they end in."""

from __future__ import annotations

import gc
import re
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

import orjson
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError

from processor import __version__
from processor.errors import KinesisRefused, KinesisRejected
from processor.kinesis.credentials import Credentials
from processor.kinesis.error_mapping import UNKNOWN_REGION
from processor.kinesis.form_choice import FormChoice
from processor.kinesis.http_session import PostingSession
from processor.kinesis.kinesis_json import (
    Answer,
    Unreadable,
    read_facts,
    read_shards,
)
from processor.kinesis.log_text import line
from processor.kinesis.shards import Shard
from processor.kinesis.signed_call import AnsweredOtherwise, Exchange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from processor.governance.destination import Connection, Destination
    from processor.profile.structs import Export
    from processor.settings import KinesisSettings

RECORD_BYTES_DEFAULT: Final = 1024 * 1024
"""A stream's record maximum, data and partition key, where it cannot be read."""


_NO_TOKEN: Final = re.compile(r"[^A-Za-z0-9._-]+")
"""Characters that may not stand in a token of a header (RFC 9110)."""

_Found = TypeVar("_Found")


class StreamFacts(NamedTuple):
    """What matters of a stream's description.

    `max_record_bytes` is the largest record that it takes, data and partition key together; `ignores_keys` says that it
    spreads records by itself, and keeps no order by their partition keys.
    """

    max_record_bytes: int
    ignores_keys: bool


class Stream:
    """One stream, by name or ARN."""

    def __init__(self, exchange: Exchange, stream: str, form: Literal["auto", "cbor", "json"]) -> None:
        self.name = stream
        self._exchange = exchange
        self._address = {"StreamARN": stream} if stream.startswith("arn:") else {"StreamName": stream}
        self._forms = FormChoice(form, exchange, self._address)

    def use(self, connection: Connection) -> None:
        """Sign with another connection's credentials from the next call on; region and endpoint stay as they are."""
        self._exchange.use(connection)

    async def put(self, records: Sequence[Export]) -> Answer:
        """Put at most 500 records, of at most 10 MiB together, in one call; the answer says what became of each.

        Raises:
            KinesisUnavailable, KinesisRejected, KinesisRefused: none is stored, as far as is known.

        """

        def keys() -> list[str]:
            return [record.partition_key for record in records]

        form = await self._forms.now()
        body = form.request_body(self._address, records)
        try:
            found = await self._exchange.answer("PutRecords", body, self._address, keys, form.content_type)
        except AnsweredOtherwise as answered:
            raise self._forms.not_understood(answered.error) from answered
        try:
            answer = form.read_answer(found, len(records))
        except Unreadable as error:
            raise self._exchange.unreadable("PutRecords", error, keys) from error
        self._forms.answered(form)
        return answer

    async def facts(self) -> StreamFacts:
        """Read the stream's record maximum, and whether it ignores partition keys.

        Raises:
            KinesisUnavailable, KinesisRefused: it cannot be read.

        """
        kib, distribution = await self._described("DescribeStreamSummary", self._address, read_facts)
        return StreamFacts(RECORD_BYTES_DEFAULT if kib is None else kib * 1024, distribution == "AUTO")

    async def shards(self) -> list[Shard]:
        """The open shards, from all pages of the list.

        Raises:
            KinesisUnavailable, KinesisRefused: they cannot be listed.

        """
        found, page = list[Shard](), self._address
        while True:
            shards, following = await self._described("ListShards", page, read_shards)
            found += shards
            if not following:
                return found
            page = {"NextToken": following}

    async def _described(self, action: str, asked: dict[str, str], read: Callable[[bytes], _Found]) -> _Found:
        try:
            body = await self._exchange.answer(action, orjson.dumps(asked), self._address)
        except KinesisRejected as error:
            raise KinesisRefused(f"{error}: see `stream`, a name or an ARN") from error
        try:
            return read(body)
        except Unreadable as error:
            raise self._exchange.unreadable(action, error) from error


async def _regions(session: AioSession) -> set[str]:
    found: set[str] = set()
    for partition in session.get_available_partitions():
        found.update(await session.get_available_regions("kinesis", partition_name=partition))
    return found


@asynccontextmanager
async def open_stream(
    destination: Destination, settings: KinesisSettings, client: str = ""
) -> AsyncIterator[Stream]:
    """Connect to the destination's stream; nothing is sent yet, and no credentials are looked for.

    `client` is who connects: every call says it, in the header User-Agent.

    Raises:
        KinesisRefused: the region, the endpoint or AWS's configuration file cannot be used.

    """
    async with open_exchange(destination.connection, destination.stream, settings, client) as exchange:
        yield Stream(exchange, destination.stream, settings.form)


@asynccontextmanager
async def open_exchange(
    connection: Connection, what: str, settings: KinesisSettings, client: str = ""
) -> AsyncIterator[Exchange]:
    """As `open_stream`, for calls of any kind; `what` is what they are about, in messages."""
    config = AioConfig(
        connect_timeout=settings.connect_timeout_ms / 1000,
        read_timeout=settings.request_timeout_ms / 1000,
        max_pool_connections=settings.max_requests_in_flight + 2,
        # Retries are the writer's: botocore would send whole requests again, stored records and all.
        retries={"total_max_attempts": 1},
        parameter_validation=False,
        # Calls are signed by `Credentials`, which the client would get once, before an error of theirs could be reported.
        signature_version=UNSIGNED,
        http_session_cls=PostingSession,
        user_agent_extra=f"processor/{__version__}"
        + (f" client/{_NO_TOKEN.sub('-', client)}" if client else ""),
    )
    session = get_session()
    try:
        known = connection.connection_url or connection.region in await _regions(session)
        if not known:
            raise KinesisRefused(
                f"connecting to {what}: no region {connection.region} with Kinesis is known: correct "
                "`connection.region`; for one that is newer than this version give `connection.connectionUrl`",
                code=UNKNOWN_REGION,
            )
        creating = session.create_client(
            "kinesis",
            region_name=connection.region,
            endpoint_url=connection.connection_url,
            config=config,
        )
        connected = await creating.__aenter__()
    except (BotoCoreError, ValueError) as error:
        raise KinesisRefused(
            f"connecting to {what}: {line(str(error))}: see `connection`, and AWS_PROFILE and AWS_CONFIG_FILE"
        ) from error
    # Where every service of AWS is, in which regions, was read to make it, and botocore keeps that for other clients: 6.8 MiB.
    del session
    connected._loader._cache.clear()  # noqa: SLF001  a loader has no public way to let go of what it has read
    # A session refers to itself, and a worker makes so little garbage that the collector would not come this far.
    gc.collect()
    call_s = (settings.connect_timeout_ms + settings.request_timeout_ms) / 1000
    try:
        yield Exchange(connected, Credentials(connection, what, settings), what, call_s)
    finally:
        await creating.__aexit__(None, None, None)


async def check_stream(destination: Destination, settings: KinesisSettings) -> None:
    """Check, over a connection and with credentials of its own, whether the stream can be written to; writes nothing.

    Raises:
        KinesisRefused, KinesisUnavailable: it cannot be.

    """
    async with open_stream(destination, settings) as stream:
        with suppress(KinesisRejected):
            await stream.put([])
