"""What a record costs on its way to Kinesis: this writer, and `client.put_records` of the same aiobotocore.

Both send the same records of 700 bytes to the counting endpoint, over loopback, without and with TLS, in turns;
CPU is that of the sending process alone, all included. `python -m benchmarks.writer`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import structlog
import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from rich.console import Console
from rich.progress import track

from benchmarks import report
from benchmarks.certificate import write_certificate
from benchmarks.endpoint import running
from benchmarks.options import add_keep, amount, count
from processor.configuration import parse_configuration
from processor.kinesis.connection import open_stream
from processor.kinesis.ticket import Ticket
from processor.kinesis.writer import Writer
from processor.profile.structs import Export
from processor.settings import KinesisSettings
from processor.waiting.fence import Fence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

_RECORD_BYTES = 700
_BATCH = 200
_CALL = 500
_CALLS_AT_ONCE = 8
_SHARDS = 64
_BATCHES = 48
"""So few that they stay in the processor's caches, as exports that were just made are."""
_TICKETS_AT_ONCE = 4
_WARM_UP_S = 8.0
_console = Console()


def main() -> None:
    """Run all, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=amount, default=5)
    parser.add_argument("--rounds", type=count, default=5)
    add_keep(parser)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-writer-") as home:
        certificate = write_certificate(Path(home))
        os.environ["AWS_CA_BUNDLE"] = str(certificate)
        for name, served in (("plain", None), ("TLS", certificate)):
            figures[name] = _compared(name, served, options.seconds, options.rounds)
    _console.print(figures)
    if options.keep:
        _console.print(f"kept in {report.write('writer', figures)}")


def _compared(name: str, certificate: Path | None, seconds: float, rounds: int) -> dict[str, Any]:
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for _ in track(range(rounds), description=name, console=_console):
        for rows, measured in ((ours, _writer), (theirs, _put_records)):
            with running(shards=_SHARDS, certificate=certificate) as endpoint:
                rows.append(uvloop.run(measured(endpoint.url, seconds)))
    told: dict[str, Any] = {
        who: {figure: round(median(row[figure] for row in rows), 2) for figure in rows[0]}
        for who, rows in (("writer", ours), ("client.put_records", theirs))
    }
    ratios = [
        their["cpu_us_a_record"] / our["cpu_us_a_record"] for our, their in zip(ours, theirs, strict=True)
    ]
    told["client.put_records / writer, CPU"] = round(median(ratios), 2)
    told["writer, CPU us a record, every round"] = [round(row["cpu_us_a_record"], 2) for row in ours]
    return told


async def _writer(url: str, seconds: float) -> dict[str, float]:
    async with _stream(url) as writer, asyncio.TaskGroup() as tasks:
        running_writer = tasks.create_task(writer.run())
        batches = [_exports(random.Random(n), n * _BATCH) for n in range(_BATCHES)]

        async def partition(number: int) -> None:
            tickets: list[Ticket] = []
            for n in range(number, sys.maxsize, _CALLS_AT_ONCE):
                ticket = Ticket(batches[n % len(batches)], number)
                await writer.submit(ticket)
                tickets.append(ticket)
                if len(tickets) >= _TICKETS_AT_ONCE:
                    await tickets.pop(0).wait()

        submitting = [tasks.create_task(partition(n)) for n in range(_CALLS_AT_ONCE)]
        # The limits of the shards must be found first.
        await asyncio.sleep(_WARM_UP_S)
        stored, calls = writer.figures.stored, writer.figures.requests
        figures = await _measured(lambda: writer.figures.stored, lambda: asyncio.sleep(seconds))
        figures["records_a_call"] = (writer.figures.stored - stored) / (writer.figures.requests - calls)
        for task in [running_writer, *submitting]:
            task.cancel()
    return figures


async def _put_records(url: str, seconds: float) -> dict[str, float]:
    """As most would write it: entries from the records, calls of 500, several at once."""
    exports = [record for n in range(_BATCHES) for record in _exports(random.Random(n), n * _BATCH)]
    calls = [exports[at : at + _CALL] for at in range(0, len(exports), _CALL)]
    stored = 0
    config = AioConfig(max_pool_connections=_CALLS_AT_ONCE)
    async with get_session().create_client(
        "kinesis",
        region_name="eu-west-1",
        endpoint_url=url,
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",  # noqa: S106  nobody checks it
        config=config,
    ) as client:

        async def send(number: int) -> None:
            nonlocal stored
            for n in range(number, sys.maxsize):
                records = [{"Data": e.data, "PartitionKey": e.partition_key} for e in calls[n % len(calls)]]
                answer = await client.put_records(StreamName="exports", Records=records)
                stored += len(answer["Records"]) - answer["FailedRecordCount"]

        async with asyncio.TaskGroup() as tasks:
            sending = [tasks.create_task(send(n)) for n in range(_CALLS_AT_ONCE)]
            await asyncio.sleep(1)
            figures = await _measured(lambda: stored, lambda: asyncio.sleep(seconds))
            for task in sending:
                task.cancel()
    return figures


async def _measured(count: Callable[[], int], wait: Callable[[], Awaitable[None]]) -> dict[str, float]:
    began, began_s, began_cpu_s = count(), time.perf_counter(), time.process_time()
    await wait()
    records = count() - began
    return {
        "records_a_second": records / (time.perf_counter() - began_s),
        "cpu_us_a_record": (time.process_time() - began_cpu_s) / records * 1e6,
    }


@asynccontextmanager
async def _stream(url: str) -> AsyncIterator[Writer]:
    text = f"""
name: benchmark
connection: {{region: eu-west-1, connectionUrl: "{url}", accessKeyId: benchmark, secretKey: benchmark}}
stream: exports
marketingActions: []
segments: [{{id: one}}]
"""
    # Its calls are to be as full as those that it is compared with.
    settings = KinesisSettings.model_validate({"linger_ms": 50})
    destination = parse_configuration((text, "destination.yaml"), None, {})[0]
    async with open_stream(destination, settings) as stream:
        writer = Writer(stream, settings, random.Random(1), Fence(lambda: 0.0, 1.0))
        await writer.connect()
        yield writer


def _exports(rng: random.Random, first: int) -> list[Export]:
    return [
        Export(
            b"profile-%010d" % n, f"profile-{n:010d}", b'{"person":"%b"}' % rng.randbytes(343).hex().encode()
        )
        for n in range(first, first + _BATCH)
    ]


if __name__ == "__main__":
    main()
