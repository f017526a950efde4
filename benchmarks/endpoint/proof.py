"""What the endpoint takes on one core, so that nobody has to believe it: python -m benchmarks.endpoint.proof.

A client that makes its calls once and sends them again and again keeps it busy, from another core; records a second
are counted by the endpoint, and so is its CPU.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import ssl
import tempfile
import threading
import time
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import pybase64

from benchmarks import report
from benchmarks.certificate import write_certificate
from benchmarks.end_to_end.processes import on_cpus
from benchmarks.endpoint.client import running
from benchmarks.options import add_keep, amount, count
from benchmarks.workload.times import TimeWriter

if TYPE_CHECKING:
    from benchmarks.endpoint.client import ServedEndpoint

_RECORDS_A_CALL: Final = 500
_RECORD_BYTES: Final = 700
_CALLS: Final = 8
_CONNECTIONS: Final = 2
_CASES: Final[dict[str, dict[str, Any]]] = {
    "one shard": {},
    "64 shards": {"shards": 64},
    "64 shards, timed": {"shards": 64, "timed": True},
    "64 shards, limited": {"shards": 64, "limited": True},
    "64 shards, TLS": {"shards": 64},
}


def main() -> None:
    """Run all, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=amount, default=3)
    parser.add_argument("--rounds", type=count, default=5)
    add_keep(parser)
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-endpoint-") as home:
        certificate = write_certificate(Path(home))
        for name, case in _CASES.items():
            tls = certificate if "TLS" in name else None
            rows = [_measured(options.seconds, {**case, "certificate": tls}) for _ in range(options.rounds)]
            figures[name] = {figure: round(median(row[figure] for row in rows), 2) for figure in rows[0]} | {
                "records_per_s, every round": [round(row["records_per_s"]) for row in rows]
            }
            print(name, figures[name])
    if options.keep:
        print(f"kept in {report.write('endpoint', figures)}")


def _measured(seconds: float, case: dict[str, Any]) -> dict[str, float]:
    cpus = sorted(os.sched_getaffinity(0))
    with running(**case, cpus=cpus[-1:]) as endpoint, on_cpus(cpus[:-1] or cpus):
        stop = threading.Event()
        clients = [
            threading.Thread(target=_send, args=(endpoint, case["certificate"], stop), daemon=True)
            for _ in range(_CONNECTIONS)
        ]
        for client in clients:
            client.start()
        time.sleep(0.5)
        first = endpoint.figures()
        time.sleep(seconds)
        last = endpoint.figures()
        stop.set()
        for client in clients:
            client.join()
    answered = last.records + last.throttled - first.records - first.throttled
    took_s, cpu_s = last.at_s - first.at_s, last.cpu_s - first.cpu_s
    return {
        "records_per_s": answered / took_s,
        "records_per_cpu_s": answered / cpu_s,
        "cpu_us_a_record": cpu_s / answered * 1e6,
    }


def _send(endpoint: ServedEndpoint, certificate: Path | None, stop: threading.Event) -> None:
    port = int(endpoint.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as plain:
        context = ssl.create_default_context(cafile=str(certificate)) if certificate else None
        connection = context.wrap_socket(plain, server_hostname="127.0.0.1") if context else plain
        with connection:
            for call in cycle(_calls()):
                if stop.is_set():
                    return
                connection.sendall(call)
                _read_answer(connection)


def _read_answer(connection: socket.socket) -> None:
    held = connection.recv(1 << 18)
    while b"\r\n\r\n" not in held:
        held += connection.recv(1 << 18)
    head, _, body = held.partition(b"\r\n\r\n")
    missing = int(head.rpartition(b": ")[2]) - len(body)
    while missing > 0:
        missing -= len(connection.recv(min(missing, 1 << 18)))


def _calls() -> list[bytes]:
    rng, times = random.Random(1), TimeWriter()
    calls = []
    for _ in range(_CALLS):
        records = []
        for _ in range(_RECORDS_A_CALL):
            text = f'{{"at":"{times.text(time.time_ns() // 1000)}","text":"'.encode()
            data = text + rng.randbytes((_RECORD_BYTES - len(text)) // 2).hex().encode() + b'"}'
            key = b"profile-%010d" % rng.randrange(10**6)
            records.append(b'{"Data":"%b","PartitionKey":"%b"}' % (pybase64.b64encode(data), key))
        body = b'{"StreamName":"exports","Records":[%b]}' % b",".join(records)
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Kinesis_20131202.PutRecords\r\n"
        calls.append(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    return calls


if __name__ == "__main__":
    main()
