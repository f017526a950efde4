"""One run through a full topic: events a second, events a CPU-second, memory, bytes."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import shutil
import signal
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.end_to_end.contender import Task
from benchmarks.end_to_end.processes import cpu_s_of, started
from benchmarks.end_to_end.scene import SHARDS
from benchmarks.endpoint import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.end_to_end.contender import Contender
    from benchmarks.end_to_end.processes import ProcessTree
    from benchmarks.end_to_end.scene import FilledTopic, Scene
    from benchmarks.endpoint import Figures, ServedEndpoint
    from benchmarks.workload import Shape

_STEADY_FROM: Final = 0.12
_STEADY_TO: Final = 0.92
"""Of what comes after the births: start-up, caches that fill, and members that end at different times are left out."""
_WARM_FROM: Final = 0.5
"""Where what is compiled while it runs has become quick."""
_LOOK_EVERY_S: Final = 0.05
_SCRAPE_EVERY_S: Final = 5.0
_PATIENCE_S: Final = 90.0


class ContenderFailedError(Exception):
    """It ended, or stood still; with the end of its log."""


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one run's steady part; memory is the peak of the whole run, bytes are a mean over all of it.

    Warm ones are of the part's second half; those with the broker count its CPU as well. What is counted over a span that was
    over between two looks is not a number: a run of some thousand events may end in one burst.
    """

    events_per_s: float
    events_per_cpu_s: float
    events_per_cpu_s_warm: float
    events_per_cpu_s_with_broker: float
    events_per_cpu_s_with_broker_warm: float
    cpu_share: float
    steady_s: float
    peak_mib_largest: float
    peak_mib_all: float
    records_a_call: float
    kinesis_bytes_an_event: float
    kafka_bytes_an_event: float
    changelog_bytes_an_event: float
    state_bytes_a_profile: float
    endpoint_cpu_share: float
    missing_records: int


@dataclass(frozen=True, slots=True)
class _Moment:
    figures: Figures
    cpu_s: float
    broker_cpu_s: float


def measure(
    contender: Contender, scene: Scene, topic: FilledTopic, shape: Shape, turn_s: float | None = None
) -> Run:
    """Let a contender work through a topic that is full already, as a group that is new.

    With `turn_s` its workers have the CPU in turns of so many seconds, as if each had one of its own.

    Raises:
        ContenderFailedError: it did not get through.

    """
    total = topic.births + topic.events if contender.exports_everything else topic.changes
    steady_share = (total - topic.births) / topic.events
    with running(shards=SHARDS, cpus=scene.cpus.others) as endpoint:
        task = new_task(scene, topic, shape, endpoint.url, contender.name)
        with running_contender(contender, task, scene) as tree:
            look = _Looker(endpoint, tree, scene.broker_pid)
            look.until(topic.births + (total - topic.births) * _STEADY_FROM / 2)
            with contextlib.nullcontext() if turn_s is None else _in_turns(tree.pids[1:], turn_s):
                first = look.until(topic.births + (total - topic.births) * _STEADY_FROM)
                warm = look.until(topic.births + (total - topic.births) * _WARM_FROM)
                last = look.until(topic.births + (total - topic.births) * _STEADY_TO)
            end = look.until(total)
            peaks = [peak / 2**20 for peak in tree.peak_bytes]
            state_bytes = _disk_bytes(task.home / "state")
    shutil.rmtree(task.home / "state", ignore_errors=True)  # ten million profiles are gigabytes a run

    def events_between(begin: _Moment) -> float:
        return (last.figures.records - begin.figures.records) / steady_share

    def with_broker_s(begin: _Moment) -> float:
        return last.cpu_s + last.broker_cpu_s - begin.cpu_s - begin.broker_cpu_s

    events = events_between(first)
    steady_s, cpu_s = last.figures.at_s - first.figures.at_s, last.cpu_s - first.cpu_s
    all_events = topic.births + topic.events
    return Run(
        events_per_s=_over(events, steady_s),
        events_per_cpu_s=_over(events, cpu_s),
        events_per_cpu_s_warm=_over(events_between(warm), last.cpu_s - warm.cpu_s),
        events_per_cpu_s_with_broker=_over(events, with_broker_s(first)),
        events_per_cpu_s_with_broker_warm=_over(events_between(warm), with_broker_s(warm)),
        cpu_share=_over(cpu_s, steady_s),
        steady_s=steady_s,
        peak_mib_largest=peaks[0],
        peak_mib_all=sum(peaks),
        records_a_call=_over(
            last.figures.records - first.figures.records, last.figures.requests - first.figures.requests
        ),
        kinesis_bytes_an_event=end.figures.bytes / all_events,
        kafka_bytes_an_event=scene.topic_bytes(topic.name) / all_events,
        changelog_bytes_an_event=scene.topic_bytes(f"{task.group}-{topic.name}-state") / all_events,
        state_bytes_a_profile=state_bytes / topic.births,
        endpoint_cpu_share=_over(last.figures.cpu_s - first.figures.cpu_s, steady_s),
        missing_records=total - end.figures.records,
    )


def new_task(scene: Scene, topic: FilledTopic, shape: Shape, endpoint_url: str, name: str) -> Task:
    """A task for a group that has read nothing yet, with an empty directory."""
    group = scene.new_name(name.replace(" ", "-"))
    home = scene.home / group
    home.mkdir()
    return Task(scene.servers, topic.name, group, endpoint_url, home, shape)


@contextmanager
def running_contender(contender: Contender, task: Task, scene: Scene) -> Iterator[ProcessTree]:
    """A contender at work, on its CPUs, its metrics scraped as Prometheus would."""
    start = contender.start(task)
    stop = threading.Event()
    scraping = threading.Thread(target=_scrape, args=(start.metrics_port, stop), daemon=True)
    log_file: Path = task.home / "output.log"
    with started(start.command, start.environ, scene.cpus.contender, log_file) as tree:
        scraping.start()
        try:
            yield tree
        finally:
            stop.set()
            scraping.join()


def wait_for(reached: Callable[[], float], goal: float, tree: ProcessTree) -> None:
    """Wait until a count reaches a goal.

    Raises:
        ContenderFailedError: the contender ended, or the count stood still for too long.

    """
    best, since_s = reached(), time.monotonic()
    while best < goal:
        if tree.has_ended:
            raise ContenderFailedError(f"it ended at {best:.0f} of {goal:.0f}:\n{tree.log_tail()}")
        if time.monotonic() - since_s > _PATIENCE_S:
            raise ContenderFailedError(f"it stands still at {best:.0f} of {goal:.0f}:\n{tree.log_tail()}")
        time.sleep(_LOOK_EVERY_S)
        now = reached()
        if now > best:
            best, since_s = now, time.monotonic()


def _over(amount: float, span: float) -> float:
    return amount / span if span > 0 else math.nan


@contextmanager
def _in_turns(pids: Sequence[int], turn_s: float) -> Iterator[None]:
    """Let one of some processes run at a time, the others stopped."""
    stop = threading.Event()

    def take_turns() -> None:
        for pid in itertools.cycle(pids):
            os.kill(pid, signal.SIGCONT)
            if stop.wait(turn_s):
                return
            os.kill(pid, signal.SIGSTOP)

    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    turns = threading.Thread(target=take_turns)
    turns.start()
    try:
        yield
    finally:
        stop.set()
        turns.join()
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _disk_bytes(directory: Path) -> int:
    """What a directory that is in use takes: files may go while they are looked at."""
    sizes = []
    for file in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(file.stat().st_size)
    return sum(sizes)


class _Looker:
    def __init__(self, endpoint: ServedEndpoint, tree: ProcessTree, broker_pid: int) -> None:
        self._endpoint = endpoint
        self._tree = tree
        self._broker_pid = broker_pid

    def until(self, records: float) -> _Moment:
        """Wait for so many records, and look at everything."""
        wait_for(lambda: self._endpoint.figures().records, records, self._tree)
        return _Moment(self._endpoint.figures(), self._tree.cpu_s, cpu_s_of(self._broker_pid))


def _scrape(port: int | None, stop: threading.Event) -> None:
    while port is not None and not stop.wait(_SCRAPE_EVERY_S):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                answer.read()
        except (urllib.error.URLError, OSError):
            continue  # it is starting, or ending
