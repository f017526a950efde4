"""The endpoint itself: PutRecords, and what clients ask of a stream, in the JSON protocol, over HTTP/1.1.

It is for measuring, not for testing: records are counted as AWS' clients write them, and not checked. Its limits go by a
call's records and their mean size. Data is not decoded, unless times or order are asked for. For times the newest one that a
record's data holds is found, of one record in four, and the moment at which the record was answered is kept beside it. An answer that is held back
is made half of that time after its call came: there are clients whose calls overtake each other on the way.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from array import array
from typing import TYPE_CHECKING, Any, Final, cast

import orjson
import uvloop

from benchmarks.endpoint.bodies import bodies_of
from benchmarks.endpoint.latency import NO_LATENCY, Latency
from benchmarks.endpoint.order import Order
from benchmarks.endpoint.shards import THROTTLED, Shards
from benchmarks.workload import newest_time

if TYPE_CHECKING:
    import argparse

    from benchmarks.endpoint.bodies import Bodies

_ABOUT: Final = {
    "StreamName": "exports",
    "StreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/exports",
    "StreamStatus": "ACTIVE",
    "MaxRecordSizeInKiB": 1024,
}
_TIMED_ONE_IN: Final = 4
"""One in so many of a call's records has its time kept, the first among them: to decode all is most of what a timed endpoint costs."""
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Endpoint:
    """What all connections share: shards, counts, options."""

    def __init__(
        self, shards: Shards, latency: Latency = NO_LATENCY, *, timed: bool = False, ordered: bool = False
    ) -> None:
        self.latency = latency
        self.connections = 0
        self._shards = shards
        self._timed = timed
        self._order = Order() if ordered else None
        self._records = self._throttled = self._requests = self._bytes = 0
        self._times = array("d")

    def answer(self, head: bytes, body: bytes, after_s: float = 0.0) -> bytes | None:
        """The body of the answer to one request, which is sent after `after_s`; None where nothing of the kind is served."""
        if b"Kinesis_20131202.PutRecords" in head:
            self._requests += 1
            self._bytes += len(head) + len(body)
            return self._put(bodies_of(head), body, after_s)
        if head.startswith(b"GET /figures"):
            return orjson.dumps(self._figures())
        if head.startswith(b"GET /times"):
            return self._times.tobytes()
        if head.startswith(b"GET /order") and self._order is not None:
            return orjson.dumps(self._order.as_dict())
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

    def _put(self, bodies: Bodies, body: bytes, after_s: float) -> bytes:
        only = self._shards.only_answer
        if only is not None:
            results = [only] * bodies.count(body)
        elif self._shards.limited:
            keys = bodies.keys(body)
            size_bytes = bodies.data_bytes(body) // max(len(keys), 1)
            results = [self._shards.answer(key, size_bytes) for key in keys]
        else:
            results = [self._shards.answer(key, 0) for key in bodies.keys(body)]
        failed = results.count(THROTTLED)
        self._records += len(results) - failed
        self._throttled += failed
        if self._timed:
            self._keep_times(bodies.data(body, _TIMED_ONE_IN), results[::_TIMED_ONE_IN], after_s)
        if self._order is not None:
            for key, data, result in zip(bodies.keys(body), bodies.data(body), results, strict=True):
                if result is not THROTTLED:
                    self._order.see(key, data)
        return bodies.answer(results)

    def _keep_times(self, all_data: list[bytes], results: list[bytes], after_s: float) -> None:
        events_s = [
            newest_time(data)
            for data, result in zip(all_data, results, strict=True)
            if result is not THROTTLED
        ]
        # What this endpoint spends on them comes before its answer.
        at_s = time.time() + after_s
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
            self._receive(head, body)

    def _receive(self, head: bytes, body: bytes) -> None:
        half_s = self._endpoint.latency.drawn_s() / 2
        if half_s:
            asyncio.get_running_loop().call_later(half_s, self._answer, head, body, half_s)
        else:
            self._answer(head, body, 0.0)

    def _answer(self, head: bytes, body: bytes, after_s: float) -> None:
        status, answer = b"200 OK", self._endpoint.answer(head, body, after_s)
        if answer is None:
            status, answer = b"400 Bad Request", b'{"__type":"UnknownOperationException"}'
        whole = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
            status,
            bodies_of(head).content_type,
            len(answer),
            answer,
        )
        if after_s:
            asyncio.get_running_loop().call_later(after_s, self._write, whole)
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
    latency = Latency(options.latency_ms / 1000, options.latency_spread_ms / 1000)
    endpoint = Endpoint(shards, latency, timed=options.timed, ordered=options.ordered)
    context = None
    if options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(endpoint), "127.0.0.1", options.port, ssl=context
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
