"""A Kinesis endpoint that counts, fast enough never to be the bottleneck of what is measured against it.

It speaks the JSON protocol's PutRecords, ListShards and DescribeStreamSummary over HTTP/1.1, with TLS, an added
latency and the published limits of a shard where asked for. Data is not decoded: an export is known by its
partition key. `GET /figures` answers with the counts as JSON, and with the moments at which calls were answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import ssl
import subprocess
import sys
import time
from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING, Any, Final, cast

import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HASH_KEYS: Final = 2**128
_KEY: Final = re.compile(rb'"PartitionKey": ?"((?:[^"\\]|\\.)*)"')
_DATA_BYTES: Final = re.compile(rb'"Data": ?"')
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_SHARD_RECORDS_PER_S: Final = 1000
_SHARD_BYTES_PER_S: Final = 1024 * 1024
_THROTTLED: Final = b'{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"limit"}'


@dataclass(slots=True)
class _Shard:
    """A shard's answer to a record, and what it may still take now."""

    answer: bytes
    records: float = _SHARD_RECORDS_PER_S
    size_bytes: float = _SHARD_BYTES_PER_S
    filled_s: float = field(default_factory=time.monotonic)

    def takes(self, size_bytes: int) -> bool:
        now = time.monotonic()
        passed_s, self.filled_s = now - self.filled_s, now
        self.records = min(_SHARD_RECORDS_PER_S, self.records + passed_s * _SHARD_RECORDS_PER_S)
        self.size_bytes = min(_SHARD_BYTES_PER_S, self.size_bytes + passed_s * _SHARD_BYTES_PER_S)
        if self.records < 1 or self.size_bytes < size_bytes:
            return False
        self.records -= 1
        self.size_bytes -= size_bytes
        return True


class Endpoint:
    """What all connections share: shards, counts, options."""

    def __init__(self, shards: int, latency_ms: float, *, limited: bool) -> None:
        self.latency_s = latency_ms / 1000
        self.limited = limited
        self.starts = [(_HASH_KEYS * n // shards).to_bytes(16, "big") for n in range(shards)]
        self.shards = [_Shard(b'{"SequenceNumber":"1","ShardId":"shardId-%012d"}' % n) for n in range(shards)]
        self.figures: dict[str, Any] = {
            "records": 0,
            "throttled": 0,
            "requests": 0,
            "bytes": 0,
            "connections": 0,
        }

    def answer(self, head: bytes, body: bytes) -> bytes:
        """The body of the answer to one request."""
        if head.startswith(b"GET /figures"):
            return json.dumps(self.figures | {"at_s": time.time(), "cpu_s": time.process_time()}).encode()
        if b"Kinesis_20131202.PutRecords" in head:
            self.figures["requests"] += 1
            self.figures["bytes"] += len(head) + len(body)
            return self._put(body)
        if b".ListShards" in head:
            return json.dumps({"Shards": self._described()}).encode()
        summary = {"MaxRecordSizeInKiB": 1024, "OpenShardCount": len(self.shards)}
        return json.dumps({"StreamDescriptionSummary": summary}).encode()

    def _put(self, body: bytes) -> bytes:
        if len(self.shards) == 1 and not self.limited:
            results = [self.shards[0].answer] * body.count(b'"PartitionKey"')
        else:
            size_bytes = len(body) * 3 // 4 // max(len(_DATA_BYTES.findall(body)), 1) if self.limited else 0
            results = [self._one(key, size_bytes) for key in _KEY.findall(body)]
        failed = results.count(_THROTTLED)
        self.figures["records"] += len(results) - failed
        self.figures["throttled"] += failed
        return b'{"FailedRecordCount":%d,"Records":[%s]}' % (failed, b",".join(results))

    def _one(self, key: bytes, size_bytes: int) -> bytes:
        shard = self.shards[bisect_right(self.starts, md5(key, usedforsecurity=False).digest()) - 1]
        return shard.answer if not self.limited or shard.takes(size_bytes) else _THROTTLED

    def _described(self) -> list[dict[str, Any]]:
        edges = [int.from_bytes(start, "big") for start in self.starts] + [_HASH_KEYS]
        return [
            {
                "ShardId": f"shardId-{n:012d}",
                "HashKeyRange": {
                    "StartingHashKey": str(edges[n]),
                    "EndingHashKey": str(edges[n + 1] - 1),
                },
                "SequenceNumberRange": {"StartingSequenceNumber": "0"},
            }
            for n in range(len(self.shards))
        ]


class _Connection(asyncio.Protocol):
    """HTTP/1.1 as far as AWS' clients speak it: a length, then a body, one request after the other."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._wanted_bytes = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are registered nowhere, so isinstance would deny them.
        self._transport = cast("asyncio.Transport", transport)
        self._endpoint.figures["connections"] += 1

    def data_received(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        while self._held_bytes and self._held_bytes >= self._wanted_bytes:
            whole = b"".join(self._held)
            end = whole.find(_HEAD_END) + len(_HEAD_END)
            if end < len(_HEAD_END):
                self._held = [whole]
                return
            head = whole[:end]
            length = _LENGTH.search(head)
            self._wanted_bytes = end + (int(length[1]) if length else 0)
            if len(whole) < self._wanted_bytes:
                self._held = [whole]
                if b"100-continue" in head.lower() and len(whole) == end:
                    self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body, rest = whole[end : self._wanted_bytes], whole[self._wanted_bytes :]
            self._held, self._held_bytes, self._wanted_bytes = [rest], len(rest), 0
            self._answer(self._endpoint.answer(head, body))

    def _answer(self, body: bytes) -> None:
        whole = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        if self._endpoint.latency_s:
            asyncio.get_running_loop().call_later(self._endpoint.latency_s, self._write, whole)
        else:
            self._write(whole)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


@contextmanager
def running(
    *, shards: int = 1, latency_ms: float = 0, limited: bool = False, certificate: Path | None = None
) -> Iterator[str]:
    """An endpoint in a process of its own; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", __name__, f"--port={port}", f"--shards={shards}"]
    command += [f"--latency-ms={latency_ms}"]
    command += ["--limited"] if limited else []
    command += [f"--certificate={certificate}"] if certificate else []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is not None:
                process.stdout.readline()
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
        finally:
            process.terminate()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=4570)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--limited", action="store_true", help="throttle at 1,000 records and 1 MiB a second")
    parser.add_argument("--certificate", help="a PEM file with certificate and key: serve TLS")
    options = parser.parse_args()
    uvloop.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    endpoint = Endpoint(options.shards, options.latency_ms, limited=options.limited)
    context = None
    if options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(endpoint), "127.0.0.1", options.port, ssl=context
    )
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    main()
