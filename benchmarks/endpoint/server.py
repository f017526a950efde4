"""The endpoint itself: PutRecords, and what clients ask of a stream, in the JSON protocol, over HTTP/1.1.

It is for measuring, not for testing: records are counted as AWS' clients write them, and not checked. Its limits go by a
call's records and their mean size. Data is not decoded, unless times are asked for: then the newest time that a record's
data holds is found, and the moment at which the record was answered is kept beside it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from array import array
from typing import TYPE_CHECKING, Any, Final, cast

import orjson
import pybase64
import uvloop

from benchmarks.endpoint.shards import THROTTLED, Shards
from benchmarks.workload import newest_time

if TYPE_CHECKING:
    import argparse

_KEY: Final = re.compile(rb'"PartitionKey": ?"((?:[^"\\]|\\.)*)"')
_DATA: Final = re.compile(rb'"Data": ?"([^"]*)"')
_ABOUT: Final = {
    "StreamName": "exports",
    "StreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/exports",
    "StreamStatus": "ACTIVE",
    "MaxRecordSizeInKiB": 1024,
}
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Endpoint:
    """What all connections share: shards, counts, options."""

    def __init__(self, shards: Shards, latency_ms: float = 0, *, timed: bool = False) -> None:
        self.latency_s = latency_ms / 1000
        self.connections = 0
        self._shards = shards
        self._timed = timed
        self._records = self._throttled = self._requests = self._bytes = 0
        self._times = array("d")

    def answer(self, head: bytes, body: bytes) -> bytes | None:
        """The body of the answer to one request; None where it is for nothing that is served here."""
        if b"Kinesis_20131202.PutRecords" in head:
            self._requests += 1
            self._bytes += len(head) + len(body)
            return self._put(body)
        if head.startswith(b"GET /figures"):
            return orjson.dumps(self._figures())
        if head.startswith(b"GET /times"):
            return self._times.tobytes()
        described = self._described(head)
        return None if described is None else orjson.dumps(described)

    def _described(self, head: bytes) -> dict[str, Any] | None:
        if b".ListShards\r\n" in head:
            return {"Shards": self._shards.described()}
        about: dict[str, Any] = _ABOUT.copy()
        if b".DescribeStreamSummary\r\n" in head:
            return {"StreamDescriptionSummary": about | {"OpenShardCount": self._shards.count}}
        if b".DescribeStream\r\n" in head:
            return {"StreamDescription": about | {"Shards": self._shards.described(), "HasMoreShards": False}}
        return None

    def _figures(self) -> dict[str, Any]:
        return {
            "records": self._records,
            "throttled": self._throttled,
            "requests": self._requests,
            "bytes": self._bytes,
            "connections": self.connections,
            "at_s": time.time(),
            "cpu_s": time.process_time(),
        }

    def _put(self, body: bytes) -> bytes:
        only = self._shards.only_answer
        if only is not None:
            results = [only] * body.count(b'"PartitionKey"')
        elif self._shards.limited:
            keys = _KEY.findall(body)
            size_bytes = len(body) * 3 // 4 // max(len(keys), 1)
            results = [self._shards.answer(key, size_bytes) for key in keys]
        else:
            results = [self._shards.answer(key, 0) for key in _KEY.findall(body)]
        failed = results.count(THROTTLED)
        self._records += len(results) - failed
        self._throttled += failed
        if self._timed:
            self._keep_times(body, results)
        return b'{"FailedRecordCount":%d,"Records":[%s]}' % (failed, b",".join(results))

    def _keep_times(self, body: bytes, results: list[bytes]) -> None:
        events_s = [
            newest_time(pybase64.b64decode(data))
            for data, result in zip(_DATA.findall(body), results, strict=True)
            if result is not THROTTLED
        ]
        # What this endpoint spends on them comes before its answer.
        at_s = time.time() + self.latency_s
        for event_s in events_s:
            if event_s is not None:
                self._times.append(event_s)
                self._times.append(at_s)


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
        self._endpoint.connections += 1

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

    def _answer(self, body: bytes | None) -> None:
        status = b"200 OK"
        if body is None:
            status, body = b"400 Bad Request", b'{"__type":"UnknownOperationException"}'
        whole = b"HTTP/1.1 %b\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n%b" % (
            status,
            len(body),
            body,
        )
        if self._endpoint.latency_s:
            asyncio.get_running_loop().call_later(self._endpoint.latency_s, self._write, whole)
        else:
            self._write(whole)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def serve(options: argparse.Namespace) -> None:
    """Serve until ended."""
    uvloop.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    shards = Shards(options.shards, limited=options.limited)
    endpoint = Endpoint(shards, options.latency_ms, timed=options.timed)
    context = None
    if options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(endpoint), "127.0.0.1", options.port, ssl=context
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
