"""The parent of several workers: signals, restarts, giving up."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING

import pytest

import processor
from processor.configuration import Files
from processor.service.messages import Handover
from processor.settings import load_settings
from processor.supervisor.allowed_cpus import allowed_cpus
from processor.supervisor.workers import RestartPolicy, Workers, worker_environ

if TYPE_CHECKING:
    from tests.supervisor.conftest import StandIn

HANDOVER = Handover(Files(("", "destination.yaml"), None, []), [])


def nothing_new() -> Handover:
    return HANDOVER


QUICK = RestartPolicy(base_s=0.01, max_s=0.02, steady_after_s=60, max_deaths=3)


async def pid_of(parent: Workers) -> int:
    """The worker's, which may live before its parent knows that it does."""
    while not parent.pids:
        await asyncio.sleep(0.01)
    return parent.pids[0]


async def test_workers_end_once_the_parent_is_to_stop(stand_in: StandIn) -> None:
    stop = asyncio.Event()
    parent = Workers([stand_in.command("obedient")] * 2, nothing_new, 20)
    running = asyncio.create_task(parent.run(stop))
    await stand_in.until_lives(2)
    assert sorted(stand_in.lives) == ["obedient --worker 0", "obedient --worker 1"]
    stop.set()
    assert await running == 0


async def test_a_worker_that_is_killed_is_started_again_and_knows_it(stand_in: StandIn) -> None:
    stop = asyncio.Event()
    parent = Workers([stand_in.command("obedient")], nothing_new, 20, QUICK)
    running = asyncio.create_task(parent.run(stop))
    await stand_in.until_lives(1)
    os.kill(await pid_of(parent), signal.SIGKILL)
    await stand_in.until_lives(2)
    assert stand_in.lives[1] == "obedient --worker 0 --restarted"
    stop.set()
    assert await running == 0


async def test_a_worker_that_had_worked_is_started_again_at_once_for_its_partitions_wait(
    stand_in: StandIn,
) -> None:
    stop, policy = asyncio.Event(), RestartPolicy(base_s=3600, steady_after_s=0)
    parent = Workers([stand_in.command("obedient")], nothing_new, 20, policy)
    running = asyncio.create_task(parent.run(stop))
    for lived in range(1, 4):
        await stand_in.until_lives(lived)
        os.kill(await pid_of(parent), signal.SIGKILL)
    await stand_in.until_lives(4)
    stop.set()
    assert await running == 0


async def test_workers_hold_open_what_they_are_given_and_nothing_else(stand_in: StandIn) -> None:
    stop = asyncio.Event()
    held, other = os.open(stand_in.home, os.O_RDONLY), os.open(stand_in.home, os.O_RDONLY)
    parent = Workers([stand_in.command("obedient")], nothing_new, 20, held=[held])
    running = asyncio.create_task(parent.run(stop))
    await stand_in.until_lives(1)
    pid = await pid_of(parent)
    of_worker = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    assert held in of_worker
    assert other not in of_worker
    stop.set()
    assert await running == 0
    os.close(held)
    os.close(other)


async def test_a_worker_that_dies_again_and_again_ends_all(stand_in: StandIn) -> None:
    parent = Workers([stand_in.command("obedient"), stand_in.command("3")], nothing_new, 20, QUICK)
    assert await parent.run(asyncio.Event()) == 1
    assert len([life for life in stand_in.lives if life.startswith("3")]) == 3
    assert parent.pids == {}


async def test_a_configuration_that_is_refused_is_not_tried_again(stand_in: StandIn) -> None:
    parent = Workers([stand_in.command("obedient"), stand_in.command("78")], nothing_new, 20, QUICK)
    assert await parent.run(asyncio.Event()) == 78
    assert parent.why_given_up == "a worker cannot work with this configuration, number 1"
    assert len([life for life in stand_in.lives if life.startswith("78")]) == 1


async def test_a_worker_that_does_not_end_is_killed(stand_in: StandIn) -> None:
    stop = asyncio.Event()
    parent = Workers([stand_in.command("stubborn")], nothing_new, 0.2, QUICK)
    running = asyncio.create_task(parent.run(stop))
    await stand_in.until_lives(1)
    stop.set()
    assert await running == 1


async def test_a_worker_that_answers_nothing_is_killed_and_started_anew(stand_in: StandIn) -> None:
    policy = RestartPolicy(base_s=0.01, max_s=0.02, answer_s=0.1, first_answer_s=0.1, silence_s=3.0)
    stop, parent = asyncio.Event(), Workers([stand_in.command("silent")], nothing_new, 20, policy)
    running = asyncio.create_task(parent.run(stop))
    await stand_in.until_lives(1)
    first = await pid_of(parent)
    await stand_in.until_lives(2)
    assert not running.done()
    fleet = await parent.ask()
    assert fleet.restarts == {0: 1}
    assert fleet.observations == []
    assert fleet.silent == {0: "it is being started"}
    assert first not in parent.pids.values()
    stop.set()
    await running


async def test_workers_end_with_a_parent_that_is_killed(stand_in: StandIn) -> None:
    program = (
        "import asyncio, os, sys\nsys.path.insert(0, sys.argv[2])\n"
        "from processor.configuration import Files\nfrom processor.service.messages import Handover\n"
        "from processor.supervisor.workers import Command, Workers\n"
        "handover = Handover(Files(('', ''), None, []), [])\n"
        "environ = {**os.environ, 'HOME_OF_TEST': sys.argv[1], 'PYTHONPATH': sys.argv[1]}\n"
        "asyncio.run(Workers([Command(['with-parent'], environ)], lambda: handover, 20).run(asyncio.Event()))\n"
    )
    root = str(Path(processor.__file__).parents[1])
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", program, str(stand_in.home), root, env=environ
    )
    await stand_in.until_lives(1)
    parent.kill()
    await parent.wait()
    while not (stand_in.home / "ended").exists():
        await asyncio.sleep(0.01)


NEEDED = {
    "PROCESSOR_KAFKA_SERVERS": "k:9092",
    "PROCESSOR_KAFKA_TOPIC": "t",
    "PROCESSOR_KAFKA_GROUP": "g",
}


def test_members_of_one_machine_differ_where_they_must() -> None:
    environ = {**NEEDED, "PROCESSOR_KAFKA_INSTANCE_ID": "pod-3", "PROCESSOR_HTTP_PORT": "9000"}
    own = worker_environ(environ, load_settings(environ), 2)
    names = {
        "PROCESSOR_KAFKA_INSTANCE_ID": "pod-3-2",
        "PROCESSOR_KAFKA_CLIENT_ID": f"processor-{gethostname()}-2",
    }
    assert own == {**environ, **names}


def test_no_two_workers_call_themselves_alike_to_kafka() -> None:
    settings = load_settings({**NEEDED, "PROCESSOR_KAFKA_CLIENT_ID": "exports"})
    ids = [settings.of_worker(index).kafka.client_id for index in range(3)]
    assert ids == [f"exports-{gethostname()}-{index}" for index in range(3)]


def test_no_two_workers_of_processes_with_different_ids_have_the_same() -> None:
    ids = [
        load_settings({**NEEDED, "PROCESSOR_KAFKA_INSTANCE_ID": instance_id})
        .of_worker(index)
        .kafka.instance_id
        for instance_id, workers in (("a", 3), ("a-1", 1), ("a-1-0", 1), ("a-0", 12))
        for index in range(workers)
    ]
    assert len(set(ids)) == len(ids)
    assert load_settings(NEEDED).of_worker(0).kafka.instance_id is None


@pytest.mark.parametrize(
    ("quota", "cpus"), [("max 100000", 8), ("250000 100000", 3), ("50000 100000", 1), ("nonsense", 8)]
)
def test_a_containers_quota_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cpus: int
) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert allowed_cpus(tmp_path / "cpu.max") == cpus
