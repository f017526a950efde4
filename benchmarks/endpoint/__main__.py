"""Serve a counting Kinesis endpoint at 127.0.0.1 until ended; its port is printed once it listens.

`GET /figures` answers with the counts as JSON; `GET /times`, with `--timed`, with pairs of doubles: the newest time
in a record's data and the moment of its answer, both in seconds since the epoch; `GET /order`, with `--ordered`, with
how many profiles had a record after a later one.
"""

from __future__ import annotations

import argparse

from benchmarks.endpoint.server import serve
from benchmarks.options import amount, count


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=4570, help="0 takes any free one [4570]")
    parser.add_argument("--shards", type=count, default=1)
    parser.add_argument("--latency-ms", type=amount, default=0, help="how long each answer is held back")
    parser.add_argument(
        "--latency-spread-ms", type=amount, default=0, help="by how much that differs, to either side"
    )
    parser.add_argument("--limited", action="store_true", help="throttle at 1,000 records and 1 MiB a second")
    parser.add_argument("--timed", action="store_true", help="keep the times of records")
    parser.add_argument(
        "--ordered", action="store_true", help="see whether records come in their events' order"
    )
    parser.add_argument("--certificate", help="a PEM file with certificate and key: serve TLS")
    options = parser.parse_args()
    try:
        serve(options)
    except (OSError, OverflowError) as error:
        parser.exit(1, f"127.0.0.1:{options.port} cannot be listened at: {error}: name another with --port\n")
    except KeyboardInterrupt:
        parser.exit(130)


if __name__ == "__main__":
    main()
