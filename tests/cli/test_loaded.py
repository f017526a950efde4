"""What a process of `processor run` has loaded when it begins to work: what it works with, and nothing of the others.

Each worker of a machine has its modules for itself, so what one loads without need is paid for by all, in memory and in
the time until a worker that died is back.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from processor.configuration import read_files
from processor.service.messages import Handover, frame

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[2]
DESTINATION: Final = ROOT / "deploy" / "compose" / "destination.yaml"
GOVERNANCE: Final = ROOT / "deploy" / "compose" / "governance.yaml"

LOOK: Final = """
import asyncio, json, sys
import uvloop

def look(work):
    work.close()
    print("loaded", json.dumps(sorted(sys.modules)))

asyncio.run = uvloop.run = look
from processor.__main__ import main
main()
"""
"""The console script, which looks at what is loaded where the process would begin to work."""

WITH_FILES: Final = {
    "processor.api": "the API changes a definition that is kept in Kafka, and there are files",
    "processor.definition": "as above",
    "processor.flow_service": "as above",
    "cryptography": "seals secrets of such a definition; it takes 7 MiB",
    "jsonpatch": "the API takes patches",
    "processor.operations": "other commands do it",
    "processor.demo": "another command",
    "processor.embedded": "real servers for the demo and the tests",
    "processor.reference": "writes documentation",
    "processor.cli.defined_process": "the parent where the definition is kept in Kafka",
    "opentelemetry": "traces are off",
    "rich.progress": "bars are for terminals, and for commands that end",
}
WORKER: Final = {
    "processor.cli.parent_process": "the parent's",
    "processor.cli.worker_processes": "the parent starts workers",
    "processor.supervisor.workers": "as above",
    "processor.supervisor.worker_connection": "the parent's end of the line",
    "processor.supervisor.last_valid_files": "the parent hands files out",
    "processor.supervisor.defined_workers": "as above, of a definition in Kafka",
}
ONE_OF_SEVERAL: Final = {
    "processor.supervisor": "the parent has started it, and has given it its name",
    "processor.web": "the parent serves for all",
    "aiohttp.web": "as above",
    "prometheus_client": "the parent makes text of what workers tell it",
}
PARENT: Final = {
    "processor.worker": "workers work",
    "processor.backfill": "as above",
    "processor.kinesis": "workers export",
    "aiobotocore": "as above; it takes 10 MiB",
    "botocore": "as above",
    "processor.profile.core": "workers look at events",
    "rocksdict": "workers have stores; it takes 7 MiB",
    "processor.cli.one_worker": "a worker's",
    "processor.service.run": "as above",
}
TOLD_BY_ALL: Final = {"processor.operations", "processor.operations.text_table"}
"""How every command prints a line: `cli/` has it at the top."""


def loaded(tmp_path: Path, *arguments: str, stdin: int = subprocess.DEVNULL) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", LOOK, "run", *arguments],
        capture_output=True,
        text=True,
        check=True,
        stdin=stdin,
        env={
            "PYTHONPATH": str(ROOT),
            "PROCESSOR_KAFKA_SERVERS": "127.0.0.1:9",
            "PROCESSOR_KAFKA_TOPIC": "profiles",
            "PROCESSOR_KAFKA_GROUP": "exports",
            "PROCESSOR_STATE_DIRECTORY": str(tmp_path),
            "PROCESSOR_DESTINATION_FILE": str(DESTINATION),
            "PROCESSOR_GOVERNANCE_FILE": str(GOVERNANCE),
        },
    )
    mark, _, found = ended.stdout.partition(" ")
    assert mark == "loaded", ended.stderr
    return set(json.loads(found))


def without_need(modules: set[str], not_needed: Mapping[str, str]) -> dict[str, str]:
    """Modules of packages that are not needed, and why they are not."""
    return {
        name: why
        for package, why in not_needed.items()
        for name in sorted(modules - TOLD_BY_ALL)
        if name == package or name.startswith(package + ".")
    }


def test_the_only_worker_loads_neither_the_api_nor_what_a_parent_does(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "--workers", "1")
    assert "processor.worker.pipeline" in modules
    assert without_need(modules, WITH_FILES | WORKER) == {}


def test_one_worker_of_several_loads_less_for_its_parent_serves_for_it(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frame(Handover(read_files(DESTINATION, GOVERNANCE), [])))
        modules = loaded(tmp_path, "--worker", "0", stdin=theirs.fileno())
    assert "processor.worker.pipeline" in modules
    assert without_need(modules, WITH_FILES | WORKER | ONE_OF_SEVERAL) == {}


def test_a_parent_loads_nothing_that_its_workers_do(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "--workers", "2")
    assert "processor.supervisor.workers" in modules
    assert without_need(modules, WITH_FILES | PARENT) == {}


@pytest.mark.parametrize("package", sorted({*WITH_FILES, *WORKER, *ONE_OF_SEVERAL, *PARENT}))
def test_what_is_not_to_be_loaded_is_there(package: str) -> None:
    """A package that was renamed would be kept out by its former name, that is not at all."""
    assert find_spec(package) is not None
