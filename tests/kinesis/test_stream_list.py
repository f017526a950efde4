"""Which streams there are, as `processor init` lists them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from processor.cli.app import app
from processor.errors import KinesisRefused, KinesisUnavailable
from processor.governance.destination import Connection
from processor.kinesis.error_mapping import ACCESS_DENIED
from processor.kinesis.stream_list import STREAMS_MAX, list_streams
from processor.settings import KinesisSettings
from tests.support.kinesis_connection import endpoint, http, request

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from processor.embedded import EmbeddedKinesis

KEYS = {"EXPORT_ACCESS_KEY_ID": "test", "EXPORT_SECRET_KEY": "test"}


def connection(url: str) -> Connection:
    return Connection("eu-west-1", SecretStr("test"), SecretStr("test"), url)


def answering(
    answer: Callable[[dict[str, Any]], bytes],
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await request(reader)
            writer.write(answer(json.loads(body)))
            await writer.drain()

    return serve


async def listed(answer: Callable[[dict[str, Any]], bytes]) -> list[str]:
    async with endpoint(answering(answer)) as url:
        return await list_streams(connection(url), KinesisSettings.model_validate({}))


async def test_all_pages_are_listed_by_name() -> None:
    pages = {None: (["c", "d"], True), "d": (["a"], True), "a": (["b"], False)}

    def page(asked: dict[str, Any]) -> bytes:
        names, more = pages[asked.get("ExclusiveStartStreamName")]
        return http(200, {"StreamNames": names, "HasMoreStreams": more})

    assert await listed(page) == ["a", "b", "c", "d"]


async def test_a_list_without_end_is_cut() -> None:
    def page(asked: dict[str, Any]) -> bytes:
        return http(200, {"StreamNames": [f"s{n:03}" for n in range(100)], "HasMoreStreams": True})

    assert len(await listed(page)) == STREAMS_MAX


async def test_where_listing_is_denied_the_error_has_aws_code() -> None:
    with pytest.raises(KinesisRefused, match="kinesis:ListStreams") as denied:
        await listed(lambda _: http(400, {"__type": ACCESS_DENIED, "message": "no"}))
    assert denied.value.code == ACCESS_DENIED


@pytest.mark.parametrize("answer", [{"StreamNames": None}, [], b"<html>"])
async def test_what_is_no_list_is_refused(answer: object) -> None:
    with pytest.raises(KinesisRefused, match="no Kinesis"):
        await listed(lambda _: http(200, answer))


async def test_an_endpoint_that_fails_is_unavailable() -> None:
    with pytest.raises(KinesisUnavailable):
        await listed(lambda _: http(500, {"__type": "InternalFailure"}))


@pytest.mark.integration
def test_streams_are_listed_and_chosen_by_number_and_an_absent_one_is_told(
    kinesis: EmbeddedKinesis, kinesis_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"aaa-{uuid.uuid4().hex[:8]}"
    kinesis_client.create_stream(StreamName=name, ShardCount=1)
    kinesis_client.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    number = sorted(kinesis_client.list_streams()["StreamNames"]).index(name) + 1
    arguments = ["init", "--connection-url", kinesis.endpoint_url, "--region", "eu-west-1"]
    answers = ["2", "", "", "", "", "", "absent", "n", str(number), "", "mine", "", ""]
    result = CliRunner().invoke(app, arguments, input="".join(f"{each}\n" for each in answers), env=KEYS)
    assert result.exit_code == 0, result.output
    assert f"{number}  {name}" in result.stdout
    assert "There is no stream absent in eu-west-1" in result.stdout
    assert f"The stream {name} is there." in result.stdout
    text = Path("destination.yaml").read_text()
    assert f"stream: {name}" in text
    assert "test" not in text


@pytest.mark.integration
def test_keys_that_aws_does_not_take_keep_nobody_from_naming_the_stream(
    kinesis: EmbeddedKinesis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answers = ["", "", "", "s", "", "mine", "", ""]
    arguments = [
        "init",
        "--connection-url",
        kinesis.endpoint_url,
        "--access-key-variable",
        "EXPORT_ACCESS_KEY_ID",
    ]
    arguments += ["--secret-key-variable", "EXPORT_SECRET_KEY", "--region", "eu-west-1"]
    spaced = {**KEYS, "EXPORT_SECRET_KEY": "two words"}
    result = CliRunner().invoke(app, arguments, input="".join(f"{each}\n" for each in answers), env=spaced)
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "Streams cannot be listed" in told
    assert "has a space, a line break" in told
    assert "two words" not in told
