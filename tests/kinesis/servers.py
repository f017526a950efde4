"""Kinesis' API as others have written it: moto's server, kinesis-local, and the scripted stream behind HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from processor.configuration import parse_configuration
from processor.embedded.server import ServerProcess, free_ports
from processor.kinesis.connection import Stream, open_stream
from processor.settings import KinesisSettings
from tests.support.needs import NODE_MODULES, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

REGION = "eu-west-1"


def client(url: str) -> Any:
    """A synchronous client, for what a test prepares and looks at."""
    return boto3.client(
        "kinesis",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


@asynccontextmanager
async def opened(
    url: str | None,
    stream: str,
    *,
    region: str = REGION,
    keys: bool = True,
    client: str = "",
    **changes: float | str,
) -> AsyncIterator[Stream]:
    """The stream at an endpoint, or at AWS, as the service opens it; without `keys` by the credential chain."""
    given = ", accessKeyId: test, secretKey: test" if keys else ""
    given += f', connectionUrl: "{url}"' if url else ""
    text = f"""
name: test
connection: {{region: {region}{given}}}
stream: "{stream}"
marketingActions: []
segments: [{{id: one}}]
"""
    destination = parse_configuration((text, "destination.yaml"), None, {})[0]
    async with open_stream(destination, KinesisSettings.model_validate(changes), client) as found:
        yield found


@contextmanager
def start_kinesis_local(directory: Path) -> Iterator[str]:
    """kinesis-local from npm, by its URL."""
    plain, tls = free_ports(2)
    command = 'cd "$0" && KINESIS_MOCK_PLAIN_PORT=$1 KINESIS_MOCK_TLS_PORT=$2 exec "$3" main.js'
    server = ServerProcess(
        "kinesis-local",
        ["sh", "-c", command, str(NODE_MODULES / "kinesis-local"), str(plain), str(tls), program("node")],
        directory / "kinesis-local.log",
    )
    url = f"http://127.0.0.1:{plain}"
    try:
        server.wait_until(lambda: _answers(url), 60)
        yield url
    finally:
        server.kill()


def _answers(url: str) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        client(url).list_streams()
    except (BotoCoreError, ClientError):
        return False
    return True
