"""Keys of the destination's own, against an endpoint that takes some and not others."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from processor.errors import KinesisRefused
from processor.governance.destination import Connection
from processor.kinesis import access_keys
from tests.kinesis.servers import REGION, opened
from tests.support.kinesis_connection import GOOD, endpoint, http, request
from tests.support.kinesis_writer import export

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from pathlib import Path

    from processor.kinesis.connection import Stream


@asynccontextmanager
async def taking(known: set[str], seen: list[str]) -> AsyncIterator[str]:
    """An endpoint that takes calls signed with the keys of `known` alone; `seen` gets the key of each call."""

    async def kinesis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _ = await request(reader)
            seen.append(head.partition("Credential=")[2].partition("/")[0])
            refusal = {"__type": "UnrecognizedClientException", "message": "The security token is invalid."}
            writer.write(http(200, GOOD) if seen[-1] in known else http(400, refusal))

    async with endpoint(kinesis) as url:
        yield url


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    """Of keys in two files."""
    files = tmp_path / "id", tmp_path / "secret"
    write(files[0], "OLD")
    write(files[1], "s3cret")
    return Connection(REGION, access_key_id_file=files[0], secret_key_file=files[1])


def write(path: Path | None, text: str) -> None:
    assert path is not None
    path.write_text(f"{text}\n")


async def put(stream: Stream) -> None:
    assert (await stream.put([export(1, 0)])).failed == 0


async def test_keys_from_files_are_read_anew_once_aws_takes_them_no_more(connection: Connection) -> None:
    seen: list[str] = []
    known = {"OLD"}
    async with taking(known, seen) as url, opened(url, "exports") as stream:
        stream.use(connection)
        await put(stream)
        write(connection.access_key_id_file, "NEW")
        await put(stream)  # what AWS takes is not looked for at every call
        known.clear()
        for _ in range(2):
            with pytest.raises(KinesisRefused, match="AWS does not know the access key"):
                await put(stream)
        known.add("NEW")
        await put(stream)
    assert seen == ["OLD", "OLD", "OLD", "NEW", "NEW"]


async def test_keys_that_are_replaced_before_they_end_are_never_refused(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(access_keys, "_LOOK_EVERY_S", 0.0)
    async with taking({"OLD", "NEW"}, seen) as url, opened(url, "exports") as stream:
        stream.use(connection)
        await put(stream)
        write(connection.access_key_id_file, "NEW")
        await put(stream)
    assert seen == ["OLD", "NEW"]


async def test_a_file_that_is_away_for_a_moment_changes_nothing_until_its_key_is_refused(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    known = {"OLD"}
    monkeypatch.setattr(access_keys, "_LOOK_EVERY_S", 0.0)
    async with taking(known, seen) as url, opened(url, "exports") as stream:
        stream.use(connection)
        await put(stream)
        assert connection.access_key_id_file is not None
        connection.access_key_id_file.unlink()
        await put(stream)
        known.clear()
        with pytest.raises(KinesisRefused, match="AWS does not know"):
            await put(stream)
        with pytest.raises(KinesisRefused, match=f"{connection.access_key_id_file}.*there is no such file"):
            await put(stream)
        known.add("NEW")
        write(connection.access_key_id_file, "NEW")
        await put(stream)
    assert seen == ["OLD", "OLD", "OLD", "NEW"]


async def test_another_connection_is_signed_with_from_the_next_call_on(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys in the destination itself, then in files, one of each, and those of AWS' chain."""
    seen: list[str] = []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "CHAIN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    given = Connection(REGION, access_key_id=SecretStr("GIVEN"), secret_key=SecretStr("s"))
    uses: list[Any] = [
        given,
        replace(given, access_key_id=SecretStr("OTHER")),
        connection,
        replace(given, secret_key=None, secret_key_file=connection.secret_key_file),
        Connection(REGION),
        given,
    ]
    async with taking({"GIVEN", "OTHER", "OLD", "CHAIN"}, seen) as url, opened(url, "exports") as stream:
        for each in uses:
            stream.use(each)
            await put(stream)
    assert seen == ["GIVEN", "OTHER", "OLD", "GIVEN", "CHAIN", "GIVEN"]
