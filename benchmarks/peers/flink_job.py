"""A Flink job in Java as a contender; Maven builds it once, from `benchmarks/peers/flink`."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.end_to_end.contender import Start
from benchmarks.peers.prepared import PeerUnavailableError, peers_cache, require_programs
from benchmarks.peers.task_arguments import arguments, own_environ

if TYPE_CHECKING:
    from benchmarks.end_to_end.contender import Task

FLINK: Final = "Flink"
FLINK_ROCKSDB: Final = "Flink, state in RocksDB"

_PROJECT: Final = Path(__file__).with_name("flink")
_JAVA: Final = ("java",)
_JAVA_OPTIONS: Final = (
    "-Xms512m",
    "-Xmx512m",
    "-Xmn300m",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
)
_STATES: Final = {
    "hashmap": "on the heap, in each checkpoint whole",
    "rocksdb": "RocksDB, checkpoints incremental",
}
_BUILD: Final = ("mvn", "--batch-mode", "--quiet", "package")
_TAIL_LINES: Final = 15


@dataclass(frozen=True, slots=True)
class FlinkJob:
    """The job in one JVM, which is its job manager and its task manager; `jars` has it and what it needs."""

    jars: Path
    name: str = FLINK
    backend: str = "hashmap"
    exports_everything: bool = False

    def start(self, task: Task) -> Start:
        """See `Contender`."""
        command = [*_JAVA, *_JAVA_OPTIONS, "-cp", f"{self.jars}/*", "peers.ExportJob", *arguments(task)]
        command += ["--backend", self.backend, "--checkpoints", str(task.home / "state")]
        return Start(command, own_environ())

    def settings(self) -> dict[str, object]:
        """See `Contender`."""
        told = subprocess.run([*_JAVA, "-version"], stderr=subprocess.PIPE, text=True, check=True)
        return {
            "versions": {"Java": told.stderr.splitlines()[0]} | _versions(),
            "JVM": " ".join(option for option in _JAVA_OPTIONS if option.startswith("-X")),
            "processes": "one: job manager and task manager in one JVM, parallelism 1",
            "state": f"durable: {_STATES[self.backend]}",
            "checkpoints": "every 5 s, exactly once, to files; Kafka's offsets are committed with them",
            "object reuse": "on",
            "serializers": "Flink's for keys and bytes, one of its own for the state; no Kryo",
            "sink": "500 records a call, 16 calls in flight, 100 ms in the buffer at most; CBOR, as AWS' client for Java has it",
            "metrics": "none are asked for",
        }


def flink_jars() -> Path:
    """The directory of the job's jar and of all that it needs; built in the user's cache where it is not there yet.

    Raises:
        PeerUnavailableError: there is no JDK or no Maven, or Maven cannot build it.

    """
    require_programs(("java", "javac", "mvn"), "apt-get install openjdk-17-jdk-headless maven")
    files = sorted(file for file in _PROJECT.rglob("*") if file.is_file())
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]
    jars = peers_cache() / f"flink-{_versions()['flink.version']}-{digest}"
    if not jars.is_dir():
        print(f"preparing {jars} (once)", flush=True)
        # A build that is broken off leaves nothing behind that looks whole: the last step is one rename.
        with tempfile.TemporaryDirectory(prefix="building-", dir=peers_cache()) as work:
            source = shutil.copytree(_PROJECT, Path(work) / "flink")
            built = subprocess.run(_BUILD, cwd=source, stdout=subprocess.PIPE, text=True, check=False)
            if built.returncode:
                tail = "\n".join(built.stdout.splitlines()[-_TAIL_LINES:])
                raise PeerUnavailableError(f"`{' '.join(_BUILD)}` failed in {_PROJECT}:\n{tail}")
            (source / "target").rename(jars)
    return jars


def _versions() -> dict[str, str]:
    pom = (_PROJECT / "pom.xml").read_text(encoding="utf-8")
    found = re.findall(r"<artifactId>([^<]*)</artifactId>\s*<version>([^<$]*)</version>", pom)
    flink = re.findall(r"<((?:flink|awssdk)\.version)>([^<]*)<", pom)
    return dict(flink) | {name: version for name, version in found if "connector" in name or "json" in name}
