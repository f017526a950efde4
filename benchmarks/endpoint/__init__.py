"""A Kinesis endpoint that counts, fast enough never to be the bottleneck of what is measured against it.

`running` starts one in a process of its own; `python -m benchmarks.endpoint` serves until ended, and
`python -m benchmarks.endpoint.proof` shows what it takes.
"""

from benchmarks.endpoint.client import Figures, Ordering, ServedEndpoint, running

__all__ = ["Figures", "Ordering", "ServedEndpoint", "running"]
