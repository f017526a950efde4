"""How long live events take to Kinesis while the API is called: no calls, reads alone, reads and some changes.

python -m benchmarks.api_load [--seconds 20] [--rate 5000] [--calls 200]

The process that answers the API and its worker share one CPU, as the contender of all these benchmarks has one; the caller has
the others. Changes rename the dataflow, so that each is kept in Kafka and handed to the worker.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from benchmarks import report
from benchmarks.end_to_end.contender import Processor, Start
from benchmarks.end_to_end.latency import percentile
from benchmarks.end_to_end.processes import Cpus
from benchmarks.end_to_end.scene import SHARDS, scene
from benchmarks.end_to_end.throughput import ContenderFailedError, new_task, running_contender, wait_for
from benchmarks.endpoint import running
from benchmarks.options import add_keep, amount, count
from benchmarks.workload import REFERENCE

if TYPE_CHECKING:
    from benchmarks.end_to_end.contender import Task
    from benchmarks.end_to_end.scene import Scene
    from benchmarks.workload import Shape

WITHOUT: Final = "no calls"
READS: Final = "reads"
CHANGES: Final = "reads, and changes"
_TOKEN: Final = "a-token-of-the-benchmark"  # noqa: S105  of a service that lives for a minute
_KEY: Final = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
_NAME: Final = "processor with the API"
_CHANGES_PER_S: Final = 1.0
_WARM_UP_S: Final = 5.0
_SETTLE_S: Final = 1.0
_SPARE_S: Final = 3.0
_ANSWER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the time in which live events come at a rate. Latencies are in ms; events' are from when one was due in Kafka to Kinesis' answer."""

    samples: int
    p50_ms: float
    p99_ms: float
    calls_per_s: float
    changes: int
    call_p50_ms: float
    call_p99_ms: float
    calls_refused: int
    """Answered by another status than 200 or 202."""
    cpu_share: float
    load: float
    """Who waited for a CPU meanwhile, this run's own included: the system's load of a minute."""


@dataclass(frozen=True, slots=True)
class DefinedProcessor:
    """`processor run` whose definition is in Kafka, and which serves the API."""

    name: str = _NAME
    exports_everything: bool = False

    def start(self, task: Task) -> Start:
        """See `Contender`; the definition is moved to Kafka first."""
        start = Processor().start(task)
        keys = task.home / "sealing-keys"
        keys.write_text(_KEY, encoding="utf-8")
        keys.chmod(0o600)
        environ = {**start.environ, "PROCESSOR_API_TOKEN": _TOKEN, "PROCESSOR_API_SECRET_KEY_FILE": str(keys)}
        processor = [sys.executable, "-m", "processor"]
        destination = ["--destination", str(task.home / "destination.yaml")]
        subprocess.run(
            [*processor, "configuration", "to-kafka", *destination],
            env=environ,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return Start([*processor, "run", "--workers", "1"], environ, start.metrics_port)

    def settings(self) -> dict[str, object]:
        """See `Contender`."""
        return {"workers": 1, "all other settings": "the defaults, and a token of the API"}


def main() -> None:
    """Run, print, and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=amount, default=20, help="of each window [20]")
    parser.add_argument("--rate", type=amount, default=5_000, help="events a second [5000]")
    parser.add_argument("--calls", type=count, default=200, help="calls a second [200]")
    add_keep(parser)
    options = parser.parse_args()
    with scene(Cpus.split()) as stage:
        figures = measure_api_load(
            stage, REFERENCE, rate=options.rate, seconds=options.seconds, calls_per_s=options.calls
        )
    for name, window in figures["windows"].items():
        print(f"{name}: {window}")
    if options.keep:
        print(f"kept in {report.write('api_load', figures)}")


def measure_api_load(
    stage: Scene, shape: Shape, *, rate: float, seconds: float, calls_per_s: float
) -> dict[str, Any]:
    """Three windows of one run, one after the other.

    Raises:
        ContenderFailedError: it did not get through, or was so slow that nothing can be said.

    """
    contender = DefinedProcessor()
    topic = stage.fill(shape, 0)
    windows: dict[str, dict[str, float]] = {}
    with running(shards=SHARDS, timed=True, cpus=stage.cpus.others) as endpoint:
        task = new_task(stage, topic, shape, endpoint.url, "api-load")
        started = _Started(contender.start(task))
        with running_contender(started, task, stage) as tree:
            wait_for(lambda: endpoint.figures().records, topic.births, tree)
            fed: dict[str, Any] = {}
            events = int(rate * (_WARM_UP_S + 3 * (seconds + _SETTLE_S) + _SPARE_S))
            feeding = threading.Thread(target=lambda: fed.update(stage.feed(topic, shape, events, rate)))
            feeding.start()
            wait_for(lambda: endpoint.figures().records, topic.births + 1, tree)
            time.sleep(_WARM_UP_S)
            told: dict[str, tuple[float, float, _Calls, float, float]] = {}
            for name, calls, changes in (
                (WITHOUT, 0.0, 0.0),
                (READS, calls_per_s, 0.0),
                (CHANGES, calls_per_s, _CHANGES_PER_S),
            ):
                from_s, from_cpu_s = time.time(), tree.cpu_s
                made = _called(f"http://127.0.0.1:{started.ready.metrics_port}", calls, changes, seconds)
                until_s = time.time()
                cpu_share = (tree.cpu_s - from_cpu_s) / (until_s - from_s)
                told[name] = from_s, until_s, made, cpu_share, os.getloadavg()[0]
                time.sleep(_SETTLE_S)
            feeding.join()
            wait_for(lambda: endpoint.figures().records, topic.births + fed["changes"], tree)
            times = endpoint.times()
    for name, (from_s, until_s, made, cpu_share, load) in told.items():
        taken_ms = sorted((answered - event) * 1000 for event, answered in times if from_s <= event < until_s)
        if not taken_ms:
            raise ContenderFailedError(f"none of {len(times)} records was of the window {name!r}")
        windows[name] = asdict(made.window(taken_ms, until_s - from_s, cpu_share, load))
    return {
        "workload": asdict(shape),
        "setting": contender.settings() | {"pinned": stage.cpus.are_apart},
        "rate": fed["rate"],
        "windows": windows,
    }


@dataclass(frozen=True, slots=True)
class _Started:
    """What starts as it was made ready."""

    ready: Start
    name: str = _NAME
    exports_everything: bool = False

    def start(self, _: Task) -> Start:
        return self.ready

    def settings(self) -> dict[str, object]:
        return {}


class _Calls:
    """Calls of the API at a rate, each when it is due, whether those before it were answered or not."""

    def __init__(self, url: str) -> None:
        self._flows = f"{url}/data/foundation/flowservice/flows"
        self._taken_ms: list[float] = []
        self._changes = 0
        self._refused = 0

    async def make(self, calls_per_s: float, changes_per_s: float, seconds: float) -> None:
        if not calls_per_s:
            await asyncio.sleep(seconds)
            return
        limits = aiohttp.TCPConnector(limit=32)
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        every = round(calls_per_s / changes_per_s) if changes_per_s else 0
        began_s = time.monotonic()
        async with (
            aiohttp.ClientSession(connector=limits, headers=headers) as http,
            asyncio.TaskGroup() as tasks,
        ):
            async with http.get(self._flows) as answer:
                flow = (await answer.json())["items"][0]["id"]
            for number in itertools.count():
                due_s = began_s + number / calls_per_s
                if due_s >= began_s + seconds:
                    return
                await asyncio.sleep(due_s - time.monotonic())
                is_change = bool(every) and number % every == 0
                tasks.create_task(self._call(http, flow, due_s, number if is_change else None))

    async def _call(self, http: aiohttp.ClientSession, flow: str, due_s: float, change: int | None) -> None:
        place = f"{self._flows}/{flow}"
        name = [{"op": "replace", "path": "/name", "value": f"name {change}"}]
        asking = (
            http.get(place) if change is None else http.patch(place, json=name, headers={"If-Match": "*"})
        )
        async with asyncio.timeout(_ANSWER_S), asking as answer:
            await answer.read()
        self._refused += answer.status not in {200, 202}
        self._changes += change is not None
        self._taken_ms.append((time.monotonic() - due_s) * 1000)

    def window(self, taken_ms: list[float], seconds: float, cpu_share: float, load: float) -> Window:
        calls = sorted(self._taken_ms)
        return Window(
            samples=len(taken_ms),
            p50_ms=percentile(taken_ms, 50),
            p99_ms=percentile(taken_ms, 99),
            calls_per_s=round(len(calls) / seconds, 1),
            changes=self._changes,
            call_p50_ms=percentile(calls, 50) if calls else 0.0,
            call_p99_ms=percentile(calls, 99) if calls else 0.0,
            calls_refused=self._refused,
            cpu_share=round(cpu_share, 3),
            load=round(load, 2),
        )


def _called(url: str, calls_per_s: float, changes_per_s: float, seconds: float) -> _Calls:
    calls = _Calls(url)
    asyncio.run(calls.make(calls_per_s, changes_per_s, seconds))
    return calls


if __name__ == "__main__":
    main()
