"""`processor run` as a process."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path


def environ(servers: str, topic: str, home: Path) -> dict[str, str]:
    """Settings for one worker, whose state is in `home`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PROCESSOR_")}
    return {
        **ours,
        "PROCESSOR_WORKERS": "1",
        "PROCESSOR_STATE_DIRECTORY": str(home / "state"),
        "PROCESSOR_KAFKA_SERVERS": servers,
        "PROCESSOR_KAFKA_TOPIC": topic,
        "PROCESSOR_KAFKA_GROUP": f"group-{topic}",
        "PROCESSOR_HTTP_PORT": "0",
    }


def destination_file(directory: Path, case: Mapping[str, Any], stream: str, endpoint_url: str) -> Path:
    path = directory / "destination.yaml"
    connection = {
        "region": "eu-west-1",
        "accessKeyId": "key",
        "secretKey": "s3cret",
        "connectionUrl": endpoint_url,
    }
    path.write_text(json.dumps({**case["destination"], "stream": stream, "connection": connection}))
    return path


@asynccontextmanager
async def processor(
    *arguments: str, environ: Mapping[str, str], started_by: Sequence[str] = ()
) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """`processor …` as a child, of a command that replaces itself if need be; the lines it has written so far."""
    child = await asyncio.create_subprocess_exec(
        *started_by,
        sys.executable,
        "-m",
        "processor",
        *arguments,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    lines: list[str] = []

    async def read() -> None:
        assert child.stdout is not None
        while line := await child.stdout.readline():
            lines.append(line.decode())

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        try:
            yield child, lines
        finally:
            if child.returncode is None:
                child.kill()
            await child.wait()


async def url_of(lines: list[str]) -> str:
    while True:
        for line in lines:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found and "serving" in line:
                return found[0]
        await asyncio.sleep(0.02)
