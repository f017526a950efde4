"""Who takes part in a comparison: the processor, and those of its peers that this machine can run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.end_to_end.contender import Processor
from benchmarks.peers.flink_job import FLINK, FLINK_ROCKSDB, FlinkJob, flink_jars
from benchmarks.peers.plain_script import PLAIN, PlainScript
from benchmarks.peers.prepared import PeerUnavailableError
from benchmarks.peers.quix_streams import QUIX, QuixStreams, quix_python
from benchmarks.peers.redpanda_connect import (
    AS_THEY_COME,
    AT_THE_OUTPUT,
    THROUGHOUT,
    Batching,
    RedpandaConnect,
    choosing,
    filtering,
    find_connect,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.end_to_end.contender import Contender
    from benchmarks.workload import Shape

_AS_AT_AWS: Final = {"PROCESSOR_KINESIS_FORM": "cbor"}
"""What the service does by itself where the endpoint is AWS' own, which no benchmark's is. Clients of others are told so as well."""

_CONNECT: Final[tuple[tuple[str, Callable[[Shape], str] | None, Batching], ...]] = (
    ("Redpanda Connect", choosing, THROUGHOUT),
    ("Redpanda Connect, filtering", filtering, THROUGHOUT),
    ("Redpanda Connect, batched at the output", choosing, AT_THE_OUTPUT),
    ("Redpanda Connect, filtering, batched at the output", filtering, AT_THE_OUTPUT),
    ("Redpanda Connect, its defaults", choosing, AS_THEY_COME),
    ("Redpanda Connect, bytes passed through", None, THROUGHOUT),
)


def makers() -> dict[str, Callable[[], Contender]]:
    """What makes each of all contenders, by its name; nothing is prepared before it is called.

    Each raises PeerUnavailableError where this machine cannot run it.
    """
    return {
        Processor().name: partial(Processor, environ=_AS_AT_AWS),
        FLINK: lambda: FlinkJob(flink_jars()),
        FLINK_ROCKSDB: lambda: FlinkJob(flink_jars(), FLINK_ROCKSDB, "rocksdb"),
        QUIX: lambda: QuixStreams(quix_python()),
        PLAIN: PlainScript,
        **{name: partial(_connect, name, mapping, batching) for name, mapping, batching in _CONNECT},
    }


def made(names: Iterable[str]) -> list[Contender]:
    """The contenders of these names; those that this machine cannot run are left out, and it is said why."""
    contenders = []
    left_out: dict[str, list[str]] = {}
    for name in names:
        try:
            contenders.append(makers()[name]())
        except PeerUnavailableError as error:
            left_out.setdefault(str(error), []).append(name)
    for reason, those in left_out.items():
        print(f"left out: {'; '.join(those)}: {reason}")
    return contenders


def _connect(name: str, mapping: Callable[[Shape], str] | None, batching: Batching) -> RedpandaConnect:
    return RedpandaConnect(find_connect(), mapping, batching, name)
